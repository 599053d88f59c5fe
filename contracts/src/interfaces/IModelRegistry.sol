// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Model, ModelStatus} from "../types/Model.sol";

/// @title The registry of models
/// @notice Which manifest stands behind a name and version, who earns its royalty, and whether it is still recommended.
///
/// A *model id* is the SHA-256 of the manifest's bytes. A *name* is `owner/name`: both parts are 1-64 characters of
/// `a-z 0-9 - _ .` and begin with a letter or digit. A *version* is `major.minor.patch`, decimal, no leading zeros.
/// The part before the slash is a *namespace*: it belongs to whoever registers in it first, and can be handed over.
///
/// A release never changes and is never removed. `latest` only moves to a higher version, whatever the order of
/// registration, and stays where it is when a model is deprecated or revoked: look at the status.
///
/// Anyone can register any digest, also one that another publisher is about to register. Whoever uses a model must
/// therefore compare the name and the signer inside the manifest with `name` and `publisher` here.
interface IModelRegistry {
    event NamespaceClaimed(string namespace, address indexed publisher);
    event NamespaceOffered(string namespace, address indexed publisher, address indexed successor);
    event NamespaceTransferred(string namespace, address indexed publisher, address indexed successor);
    event ModelRegistered(
        bytes32 indexed model,
        address indexed publisher,
        string name,
        string version,
        bytes32 programs,
        uint16 royaltyBps,
        string uri
    );
    event RoyaltyChanged(bytes32 indexed model, uint16 royaltyBps);
    event ModelDeprecated(bytes32 indexed model);
    event ModelRevoked(bytes32 indexed model);

    /// @notice The name is not `owner/name` as described above.
    error MalformedName(string name);
    /// @notice The version is not `major.minor.patch` as described above.
    error MalformedVersion(string version);
    /// @notice The URI is empty or longer than `limit` bytes.
    error WrongUriLength(uint256 length, uint256 limit);
    /// @notice A model id and a programs root are never zero.
    error ZeroDigest();
    /// @notice The zero address cannot own a namespace.
    error ZeroAddress();
    /// @notice The royalty is above `limit`.
    error RoyaltyTooHigh(uint16 royaltyBps, uint16 limit);
    /// @notice The model id is registered already.
    error AlreadyRegistered(bytes32 model);
    /// @notice The name has this version already, for another model.
    error VersionTaken(string name, string version, bytes32 model);
    /// @notice The caller does not own the namespace.
    error NotPublisher(address caller, address publisher);
    /// @notice The namespace was not offered to the caller.
    error NotSuccessor(address caller, address successor);
    /// @notice No such model.
    error UnknownModel(bytes32 model);
    /// @notice No such name.
    error UnknownName(string name);
    /// @notice The name has no such version.
    error UnknownVersion(string name, string version);
    /// @notice The status does not allow this (a deprecated model cannot be deprecated again, say).
    error WrongStatus(bytes32 model, ModelStatus status);

    /// @notice Publishes `model` as `version` of `name`, and claims the namespace for the caller if nobody has it.
    /// @param model SHA-256 of the manifest.
    /// @param programs Root of the model's tensor programs.
    /// @param royaltyBps Share of each payment, at most `MAX_ROYALTY_BPS`.
    /// @param uri Where the manifest can be fetched, 1 to `MAX_URI_LENGTH` bytes.
    function register(
        string calldata name,
        string calldata version,
        bytes32 model,
        bytes32 programs,
        uint16 royaltyBps,
        string calldata uri
    ) external;

    /// @notice Changes the royalty for channels that are opened from now on. By the publisher.
    function setRoyalty(bytes32 model, uint16 royaltyBps) external;

    /// @notice Advises against further use. By the publisher. Final.
    function deprecate(bytes32 model) external;

    /// @notice Refuses the model: no new channel can be opened for it. By governance. Final.
    function revoke(bytes32 model) external;

    /// @notice Offers a namespace to `successor`; offering it to the caller itself takes an offer back.
    function offerNamespace(string calldata namespace, address successor) external;

    /// @notice Takes over a namespace that was offered to the caller, with all its models and their uncollected royalty.
    function acceptNamespace(string calldata namespace) external;

    function getModel(bytes32 model) external view returns (Model memory);

    /// @notice What a payment needs to know. Zero, zero, `None` for a model that is not registered.
    function terms(bytes32 model) external view returns (address publisher, uint16 royaltyBps, ModelStatus status);

    /// @notice The model that is `version` of `name`. Reverts if there is none.
    function resolve(string calldata name, string calldata version) external view returns (bytes32 model);

    /// @notice The model with the highest version of `name`. Reverts if the name is not registered.
    function latest(string calldata name) external view returns (bytes32 model);

    /// @notice Number of models; `modelAt(0)` is the first one registered.
    function modelCount() external view returns (uint256);
    function modelAt(uint256 index) external view returns (bytes32 model);

    /// @notice Number of releases of `name`, in order of registration; 0 for an unknown name.
    function releaseCount(string calldata name) external view returns (uint256);
    function releaseAt(string calldata name, uint256 index) external view returns (bytes32 model);

    /// @notice Who owns a namespace, and whom it is offered to (zero: nobody).
    function namespaceOwner(string calldata namespace) external view returns (address publisher, address successor);

    /// @notice 3,000 = 30 %.
    function MAX_ROYALTY_BPS() external view returns (uint16);
    function MAX_URI_LENGTH() external view returns (uint256);
}
