// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";

import {IAIVMToken} from "./interfaces/IAIVMToken.sol";
import {IStaking} from "./interfaces/IStaking.sol";
import {ReceiptHash} from "./libraries/ReceiptHash.sol";
import {Provider, Spoils, Unbonding} from "./types/Provider.sol";
import {Receipt} from "./types/Receipt.sol";

/// @title Staking
contract Staking is IStaking, AccessControl, ReentrancyGuard, EIP712 {
    using Checkpoints for Checkpoints.Trace160;
    using SafeERC20 for IAIVMToken;

    struct Account {
        uint128 staked;
        uint128 unbonding; // sum of the pending unbondings
        uint64 heldUntil;
        uint64 registeredAt; // 0: not a provider
        uint32 firstUnbonding; // all before it are gone
        uint32 nextUnbonding; // id of the next request
        bool paused;
        string endpoint;
        Checkpoints.Trace160 hotKeys; // time => key
        mapping(uint256 id => Unbonding) unbondings;
    }

    /// @inheritdoc IStaking
    bytes32 public constant SLASHER_ROLE = keccak256("SLASHER_ROLE");
    /// @inheritdoc IStaking
    uint64 public constant HOT_KEY_OVERLAP = 10 minutes;
    /// @inheritdoc IStaking
    uint64 public constant MAX_HOLD = 30 days;
    /// @inheritdoc IStaking
    uint256 public constant MAX_UNBONDINGS = 16; // bounds the loop of a slash
    /// @inheritdoc IStaking
    uint256 public constant MAX_ENDPOINT_LENGTH = 256;
    /// @inheritdoc IStaking
    uint16 public constant MAX_AWARD_BPS = 5_000;

    uint64 private constant LEAST_UNBONDING_DELAY = 1 minutes;
    uint64 private constant MOST_UNBONDING_DELAY = 180 days;
    uint128 private constant MOST_MINIMUM_STAKE = 10_000_000e18;

    /// @inheritdoc IStaking
    IAIVMToken public immutable token;
    /// @inheritdoc IStaking
    uint64 public immutable UNBONDING_DELAY;

    /// @inheritdoc IStaking
    mapping(address beneficiary => Spoils) public spoils;
    /// @inheritdoc IStaking
    uint128 public minimumStake;
    /// @inheritdoc IStaking
    uint256 public totalHeld;
    /// @inheritdoc IStaking
    mapping(address hotKey => address provider) public providerOf;

    mapping(address provider => Account) private _accounts;
    address[] private _providers;

    constructor(IAIVMToken token_, address governance, uint64 unbondingDelay, uint128 minimumStake_)
        EIP712("AIVM", "1")
    {
        if (address(token_) == address(0) || governance == address(0)) revert ZeroAddress();
        if (unbondingDelay < LEAST_UNBONDING_DELAY || unbondingDelay > MOST_UNBONDING_DELAY) {
            revert OutOfRange(unbondingDelay, LEAST_UNBONDING_DELAY, MOST_UNBONDING_DELAY);
        }
        token = token_;
        UNBONDING_DELAY = unbondingDelay;
        _grantRole(DEFAULT_ADMIN_ROLE, governance);
        _setMinimumStake(minimumStake_);
    }

    // --- a provider and its keys -----------------------------------------------------------------

    /// @inheritdoc IStaking
    function registerProvider(address hotKey, string calldata endpoint) external {
        Account storage account = _accounts[msg.sender];
        if (account.registeredAt != 0) revert AlreadyRegistered(msg.sender);
        _requireEndpoint(endpoint);
        account.registeredAt = uint64(block.timestamp);
        account.endpoint = endpoint;
        _providers.push(msg.sender);
        _adopt(account, hotKey);
        emit ProviderRegistered(msg.sender, hotKey, endpoint);
    }

    /// @inheritdoc IStaking
    function rotateHotKey(address hotKey) external {
        Account storage account = _requireProvider(msg.sender);
        (, uint96 since, uint160 previous) = account.hotKeys.latestCheckpoint();
        // One rotation per overlap: so at most two keys are ever good at once, and `isHotKey` looks at two times only.
        if (block.timestamp < since + HOT_KEY_OVERLAP) {
            revert RotationTooSoon(SafeCast.toUint64(since + HOT_KEY_OVERLAP));
        }
        _adopt(account, hotKey);
        emit HotKeyRotated(msg.sender, address(previous), hotKey);
    }

    /// @inheritdoc IStaking
    function setEndpoint(string calldata endpoint) external {
        Account storage account = _requireProvider(msg.sender);
        _requireEndpoint(endpoint);
        account.endpoint = endpoint;
        emit EndpointChanged(msg.sender, endpoint);
    }

    /// @inheritdoc IStaking
    function deactivate() external {
        _setPaused(true);
        emit ProviderPaused(msg.sender);
    }

    /// @inheritdoc IStaking
    function activate() external {
        _setPaused(false);
        emit ProviderResumed(msg.sender);
    }

    // --- stake in and out ------------------------------------------------------------------------

    /// @inheritdoc IStaking
    function stake(uint256 amount) external nonReentrant {
        Account storage account = _requireProvider(msg.sender);
        if (amount == 0) revert ZeroAmount();
        account.staked += SafeCast.toUint128(amount);
        totalHeld += amount;
        emit Staked(msg.sender, amount);
        token.safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @inheritdoc IStaking
    function requestUnbond(uint256 amount) external returns (uint256 id) {
        Account storage account = _requireProvider(msg.sender);
        if (amount == 0) revert ZeroAmount();
        if (amount > account.staked) revert InsufficientStake(amount, account.staked);
        id = account.nextUnbonding;
        if (id - account.firstUnbonding >= MAX_UNBONDINGS) revert TooManyUnbondings(MAX_UNBONDINGS);
        uint128 leaving = SafeCast.toUint128(amount);
        uint64 withdrawableAt = uint64(block.timestamp) + UNBONDING_DELAY;
        account.nextUnbonding = uint32(id) + 1; // `id` was a uint32
        account.staked -= leaving;
        account.unbonding += leaving;
        account.unbondings[id] = Unbonding(leaving, withdrawableAt);
        emit UnbondRequested(msg.sender, id, amount, withdrawableAt);
    }

    /// @inheritdoc IStaking
    function withdraw(uint256 id) external nonReentrant {
        Account storage account = _requireProvider(msg.sender);
        Unbonding memory leaving = account.unbondings[id];
        if (leaving.amount == 0) revert UnknownUnbonding(msg.sender, id);
        uint256 withdrawableAt = Math.max(leaving.withdrawableAt, account.heldUntil);
        if (block.timestamp < withdrawableAt) {
            revert NotYetWithdrawable(uint64(withdrawableAt)); // the larger of two uint64
        }
        delete account.unbondings[id];
        account.unbonding -= leaving.amount;
        totalHeld -= leaving.amount;
        _skipGone(account);
        emit Withdrawn(msg.sender, id, leaving.amount);
        token.safeTransfer(msg.sender, leaving.amount);
    }

    // --- slashing --------------------------------------------------------------------------------

    /// @inheritdoc IStaking
    function hold(address provider, uint64 until) external onlyRole(SLASHER_ROLE) {
        Account storage account = _requireProvider(provider);
        uint64 limit = uint64(block.timestamp) + MAX_HOLD;
        if (until > limit) revert HoldTooLong(until, limit);
        if (until <= account.heldUntil) return;
        account.heldUntil = until;
        emit Held(provider, msg.sender, until);
    }

    /// @inheritdoc IStaking
    function slash(address provider, uint256 amount, address beneficiary, uint16 awardBps)
        external
        onlyRole(SLASHER_ROLE)
        returns (uint256 taken)
    {
        Account storage account = _requireProvider(provider);
        if (amount == 0) revert ZeroAmount();
        if (beneficiary == address(0)) revert ZeroAddress();
        if (awardBps > MAX_AWARD_BPS) revert AwardTooHigh(awardBps, MAX_AWARD_BPS);
        taken = _takeStaked(account, amount);
        if (taken < amount) taken += _takeUnbonding(account, amount - taken);
        uint256 awarded = taken * awardBps / 10_000;
        Spoils storage pile = spoils[beneficiary];
        pile.awarded += uint128(awarded); // both sum up to at most what was staked
        pile.burning += uint128(taken - awarded);
        emit Slashed(provider, msg.sender, beneficiary, awarded, taken - awarded);
    }

    /// @inheritdoc IStaking
    function collect(address beneficiary) external nonReentrant returns (uint256 awarded) {
        Spoils memory pile = spoils[beneficiary];
        delete spoils[beneficiary];
        awarded = pile.awarded;
        totalHeld -= awarded + pile.burning;
        emit Collected(beneficiary, awarded, pile.burning);
        if (awarded > 0) token.safeTransfer(beneficiary, awarded);
        if (pile.burning > 0) token.burn(pile.burning);
    }

    /// @inheritdoc IStaking
    function setMinimumStake(uint128 amount) external onlyRole(DEFAULT_ADMIN_ROLE) {
        _setMinimumStake(amount);
    }

    // --- looking up ------------------------------------------------------------------------------

    /// @inheritdoc IStaking
    function getProvider(address provider) external view returns (Provider memory) {
        Account storage account = _requireProvider(provider);
        return Provider({
            hotKey: address(account.hotKeys.latest()),
            endpoint: account.endpoint,
            staked: account.staked,
            unbonding: account.unbonding,
            heldUntil: account.heldUntil,
            registeredAt: account.registeredAt,
            paused: account.paused,
            active: isActive(provider)
        });
    }

    /// @inheritdoc IStaking
    function isActive(address provider) public view returns (bool) {
        Account storage account = _accounts[provider];
        return account.registeredAt != 0 && !account.paused && account.staked >= minimumStake;
    }

    /// @inheritdoc IStaking
    function slashable(address provider) external view returns (uint256) {
        Account storage account = _accounts[provider];
        return uint256(account.staked) + account.unbonding;
    }

    /// @inheritdoc IStaking
    function providerCount() external view returns (uint256) {
        return _providers.length;
    }

    /// @inheritdoc IStaking
    function providerAt(uint256 index) external view returns (address provider) {
        return _providers[index];
    }

    /// @inheritdoc IStaking
    function unbondingRange(address provider) external view returns (uint256 first, uint256 next) {
        return (_accounts[provider].firstUnbonding, _accounts[provider].nextUnbonding);
    }

    /// @inheritdoc IStaking
    function getUnbonding(address provider, uint256 id) external view returns (Unbonding memory) {
        return _accounts[provider].unbondings[id];
    }

    /// @inheritdoc IStaking
    function hotKeyAt(address provider, uint64 time) public view returns (address) {
        return address(_accounts[provider].hotKeys.upperLookupRecent(time));
    }

    /// @inheritdoc IStaking
    function isHotKey(address provider, address key, uint64 time) public view returns (bool) {
        if (key == address(0)) return false;
        if (hotKeyAt(provider, time) == key) return true;
        return time >= HOT_KEY_OVERLAP && hotKeyAt(provider, time - HOT_KEY_OVERLAP) == key;
    }

    /// @inheritdoc IStaking
    function receiptDigest(Receipt calldata receipt) public view returns (bytes32) {
        return _hashTypedDataV4(ReceiptHash.hash(receipt));
    }

    /// @inheritdoc IStaking
    function isSignedReceipt(Receipt calldata receipt, bytes calldata signature) external view returns (bool) {
        (address key, ECDSA.RecoverError problem,) = ECDSA.tryRecover(receiptDigest(receipt), signature);
        return problem == ECDSA.RecoverError.NoError && isHotKey(receipt.provider, key, receipt.time);
    }

    // --- parts -----------------------------------------------------------------------------------

    function _requireProvider(address provider) private view returns (Account storage account) {
        account = _accounts[provider];
        if (account.registeredAt == 0) revert UnknownProvider(provider);
    }

    function _requireEndpoint(string calldata endpoint) private pure {
        uint256 length = bytes(endpoint).length;
        if (length == 0 || length > MAX_ENDPOINT_LENGTH) revert WrongEndpointLength(length, MAX_ENDPOINT_LENGTH);
    }

    /// Makes `hotKey` the caller's current key from this second on.
    function _adopt(Account storage account, address hotKey) private {
        if (hotKey == address(0)) revert ZeroAddress();
        if (providerOf[hotKey] != address(0)) revert HotKeyTaken(hotKey, providerOf[hotKey]);
        providerOf[hotKey] = msg.sender;
        account.hotKeys.push(uint96(block.timestamp), uint160(hotKey));
    }

    function _setPaused(bool paused) private {
        Account storage account = _requireProvider(msg.sender);
        if (account.paused == paused) revert AlreadySo(paused);
        account.paused = paused;
    }

    function _setMinimumStake(uint128 amount) private {
        if (amount == 0 || amount > MOST_MINIMUM_STAKE) revert OutOfRange(amount, 1, MOST_MINIMUM_STAKE);
        minimumStake = amount;
        emit MinimumStakeChanged(amount);
    }

    function _takeStaked(Account storage account, uint256 wanted) private returns (uint256 taken) {
        taken = Math.min(wanted, account.staked);
        account.staked -= uint128(taken); // at most what it is taken from
    }

    function _takeUnbonding(Account storage account, uint256 wanted) private returns (uint256 taken) {
        uint256 next = account.nextUnbonding;
        for (uint256 id = account.firstUnbonding; id < next && taken < wanted; ++id) {
            Unbonding storage leaving = account.unbondings[id];
            uint256 part = Math.min(wanted - taken, leaving.amount);
            leaving.amount -= uint128(part); // at most what it is taken from
            taken += part;
        }
        account.unbonding -= uint128(taken); // a sum of parts of it
        _skipGone(account);
    }

    /// Moves the start of the pending range behind what was withdrawn or slashed to nothing.
    function _skipGone(Account storage account) private {
        uint32 first = account.firstUnbonding;
        uint32 next = account.nextUnbonding;
        while (first < next && account.unbondings[first].amount == 0) ++first;
        account.firstUnbonding = first;
    }
}
