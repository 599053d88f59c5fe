// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";

import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {ModelName} from "./libraries/ModelName.sol";
import {Version} from "./libraries/Version.sol";
import {Model, ModelStatus} from "./types/Model.sol";

/// @title ModelRegistry
contract ModelRegistry is IModelRegistry, AccessControl {
    struct Release {
        bytes32 namespace; // hash of the part before the slash
        uint16 royaltyBps;
        ModelStatus status;
        uint64 registeredAt;
        bytes32 name; // hash of the whole name
        bytes32 programs;
        string version;
        string uri;
    }

    struct Name {
        string text;
        uint96 latestOrder;
        bytes32 latest;
        bytes32[] models;
        mapping(uint96 order => bytes32 model) byVersion;
    }

    struct Namespace {
        address publisher;
        address successor;
    }

    /// @inheritdoc IModelRegistry
    uint16 public constant MAX_ROYALTY_BPS = 3_000;
    /// @inheritdoc IModelRegistry
    uint256 public constant MAX_URI_LENGTH = 256;

    mapping(bytes32 model => Release) private _releases;
    mapping(bytes32 nameHash => Name) private _names;
    mapping(bytes32 namespaceHash => Namespace) private _namespaces;
    bytes32[] private _models;

    constructor(address governance) {
        if (governance == address(0)) revert ZeroAddress();
        _grantRole(DEFAULT_ADMIN_ROLE, governance);
    }

    // --- publishing ------------------------------------------------------------------------------

    /// @inheritdoc IModelRegistry
    function register(
        string calldata name,
        string calldata version,
        bytes32 model,
        bytes32 programs,
        uint16 royaltyBps,
        string calldata uri
    ) external {
        if (model == 0 || programs == 0) revert ZeroDigest();
        if (_releases[model].status != ModelStatus.None) revert AlreadyRegistered(model);
        if (bytes(uri).length == 0 || bytes(uri).length > MAX_URI_LENGTH) {
            revert WrongUriLength(bytes(uri).length, MAX_URI_LENGTH);
        }
        _requireRoyalty(royaltyBps);
        bytes32 namespace = _claim(name);
        bytes32 nameHash = _addVersion(name, version, model);
        _models.push(model);
        _releases[model] = Release({
            namespace: namespace,
            royaltyBps: royaltyBps,
            status: ModelStatus.Active,
            registeredAt: uint64(block.timestamp),
            name: nameHash,
            programs: programs,
            version: version,
            uri: uri
        });
        emit ModelRegistered(model, msg.sender, name, version, programs, royaltyBps, uri);
    }

    /// @inheritdoc IModelRegistry
    function setRoyalty(bytes32 model, uint16 royaltyBps) external {
        Release storage release = _requireOwn(model);
        _requireRoyalty(royaltyBps);
        release.royaltyBps = royaltyBps;
        emit RoyaltyChanged(model, royaltyBps);
    }

    /// @inheritdoc IModelRegistry
    function deprecate(bytes32 model) external {
        Release storage release = _requireOwn(model);
        if (release.status != ModelStatus.Active) revert WrongStatus(model, release.status);
        release.status = ModelStatus.Deprecated;
        emit ModelDeprecated(model);
    }

    /// @inheritdoc IModelRegistry
    function revoke(bytes32 model) external onlyRole(DEFAULT_ADMIN_ROLE) {
        Release storage release = _requireKnown(model);
        if (release.status == ModelStatus.Revoked) revert WrongStatus(model, release.status);
        release.status = ModelStatus.Revoked;
        emit ModelRevoked(model);
    }

    // --- namespaces ------------------------------------------------------------------------------

    /// @inheritdoc IModelRegistry
    function offerNamespace(string calldata namespace, address successor) external {
        if (successor == address(0)) revert ZeroAddress();
        Namespace storage owned = _namespaces[keccak256(bytes(namespace))];
        if (owned.publisher != msg.sender) revert NotPublisher(msg.sender, owned.publisher);
        owned.successor = successor == msg.sender ? address(0) : successor;
        emit NamespaceOffered(namespace, msg.sender, owned.successor);
    }

    /// @inheritdoc IModelRegistry
    function acceptNamespace(string calldata namespace) external {
        Namespace storage offered = _namespaces[keccak256(bytes(namespace))];
        if (offered.successor != msg.sender) revert NotSuccessor(msg.sender, offered.successor);
        address publisher = offered.publisher;
        offered.publisher = msg.sender;
        offered.successor = address(0);
        emit NamespaceTransferred(namespace, publisher, msg.sender);
    }

    /// @inheritdoc IModelRegistry
    function namespaceOwner(string calldata namespace) external view returns (address publisher, address successor) {
        Namespace storage owned = _namespaces[keccak256(bytes(namespace))];
        return (owned.publisher, owned.successor);
    }

    // --- looking up ------------------------------------------------------------------------------

    /// @inheritdoc IModelRegistry
    function getModel(bytes32 model) external view returns (Model memory) {
        Release storage release = _requireKnown(model);
        return Model({
            name: _names[release.name].text,
            version: release.version,
            publisher: _namespaces[release.namespace].publisher,
            programs: release.programs,
            royaltyBps: release.royaltyBps,
            status: release.status,
            registeredAt: release.registeredAt,
            uri: release.uri
        });
    }

    /// @inheritdoc IModelRegistry
    function terms(bytes32 model) external view returns (address publisher, uint16 royaltyBps, ModelStatus status) {
        Release storage release = _releases[model];
        return (_namespaces[release.namespace].publisher, release.royaltyBps, release.status);
    }

    /// @inheritdoc IModelRegistry
    function resolve(string calldata name, string calldata version) external view returns (bytes32 model) {
        model = _requireName(name).byVersion[_parse(version)];
        if (model == 0) revert UnknownVersion(name, version);
    }

    /// @inheritdoc IModelRegistry
    function latest(string calldata name) external view returns (bytes32 model) {
        return _requireName(name).latest;
    }

    /// @inheritdoc IModelRegistry
    function modelCount() external view returns (uint256) {
        return _models.length;
    }

    /// @inheritdoc IModelRegistry
    function modelAt(uint256 index) external view returns (bytes32 model) {
        return _models[index];
    }

    /// @inheritdoc IModelRegistry
    function releaseCount(string calldata name) external view returns (uint256) {
        return _names[keccak256(bytes(name))].models.length;
    }

    /// @inheritdoc IModelRegistry
    function releaseAt(string calldata name, uint256 index) external view returns (bytes32 model) {
        return _names[keccak256(bytes(name))].models[index];
    }

    // --- parts -----------------------------------------------------------------------------------

    /// Makes sure that the name is well-formed and its namespace the caller's, first come first served.
    function _claim(string calldata name) private returns (bytes32 namespaceHash) {
        uint256 slash = ModelName.slashOf(bytes(name));
        if (slash == 0) revert MalformedName(name);
        string calldata namespace = string(bytes(name)[:slash]);
        namespaceHash = keccak256(bytes(namespace));
        Namespace storage owned = _namespaces[namespaceHash];
        if (owned.publisher == address(0)) {
            owned.publisher = msg.sender;
            emit NamespaceClaimed(namespace, msg.sender);
        } else if (owned.publisher != msg.sender) {
            revert NotPublisher(msg.sender, owned.publisher);
        }
    }

    function _addVersion(string calldata name, string calldata version, bytes32 model)
        private
        returns (bytes32 nameHash)
    {
        uint96 order = _parse(version);
        nameHash = keccak256(bytes(name));
        Name storage entry = _names[nameHash];
        if (entry.byVersion[order] != 0) revert VersionTaken(name, version, entry.byVersion[order]);
        if (entry.models.length == 0) entry.text = name;
        entry.byVersion[order] = model;
        entry.models.push(model);
        // A late fix of an old version (1.0.1 after 2.0.0) must not become the latest.
        if (entry.latest == 0 || order > entry.latestOrder) {
            entry.latest = model;
            entry.latestOrder = order;
        }
    }

    function _parse(string calldata version) private pure returns (uint96) {
        (bool valid, uint96 order) = Version.parse(bytes(version));
        if (!valid) revert MalformedVersion(version);
        return order;
    }

    function _requireRoyalty(uint16 royaltyBps) private pure {
        if (royaltyBps > MAX_ROYALTY_BPS) revert RoyaltyTooHigh(royaltyBps, MAX_ROYALTY_BPS);
    }

    function _requireName(string calldata name) private view returns (Name storage entry) {
        entry = _names[keccak256(bytes(name))];
        if (entry.latest == 0) revert UnknownName(name);
    }

    function _requireKnown(bytes32 model) private view returns (Release storage release) {
        release = _releases[model];
        if (release.status == ModelStatus.None) revert UnknownModel(model);
    }

    function _requireOwn(bytes32 model) private view returns (Release storage release) {
        release = _requireKnown(model);
        address publisher = _namespaces[release.namespace].publisher;
        if (publisher != msg.sender) revert NotPublisher(msg.sender, publisher);
    }
}
