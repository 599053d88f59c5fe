// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Provider, Unbonding} from "../types/Provider.sol";
import {Receipt} from "../types/Receipt.sol";
import {IAIVMToken} from "./IAIVMToken.sol";

/// @title Providers and the stake behind their receipts
/// @notice A provider is an account that owns a stake, names a hot key which signs its receipts, and an endpoint.
///
/// Stake leaves in two steps: `requestUnbond`, then, `UNBONDING_DELAY` later, `withdraw`. Until it is withdrawn it can be
/// slashed. A slasher (the dispute game) can also hold a provider's withdrawals while it is deciding, at most
/// `MAX_HOLD` ahead. A slash takes active stake first, then unbonding stake, oldest first.
///
/// Hot keys have a history, so that an old receipt still verifies after a rotation. A replaced key stays good for
/// `HOT_KEY_OVERLAP`: work in flight can be finished, and a provider cannot escape from a receipt by rotating its key
/// in the moment after it signed. A key belongs to the first provider that names it, for ever.
///
/// This contract is the `verifyingContract` of receipts (EIP-712 domain "AIVM", version "1").
/// A slash moves no tokens: what it took waits until somebody calls `collect`, so that a conviction costs little and cannot
/// fail at a payee.
///
/// Invariant: its token balance is the sum of all `staked + unbonding` and of what waits to be collected.
interface IStaking {
    event ProviderRegistered(address indexed provider, address indexed hotKey, string endpoint);
    event HotKeyRotated(address indexed provider, address indexed previous, address indexed hotKey);
    event EndpointChanged(address indexed provider, string endpoint);
    event ProviderPaused(address indexed provider);
    event ProviderResumed(address indexed provider);
    event Staked(address indexed provider, uint256 amount);
    event UnbondRequested(address indexed provider, uint256 indexed id, uint256 amount, uint64 withdrawableAt);
    event Withdrawn(address indexed provider, uint256 indexed id, uint256 amount);
    event Held(address indexed provider, address indexed slasher, uint64 until);
    event Slashed(
        address indexed provider, address indexed slasher, address indexed beneficiary, uint256 awarded, uint256 burned
    );
    event Collected(address indexed beneficiary, uint256 awarded, uint256 burned);
    event MinimumStakeChanged(uint128 minimumStake);

    error ZeroAddress();
    error ZeroAmount();
    error AlreadyRegistered(address provider);
    error UnknownProvider(address provider);
    /// @notice The key is, or once was, the hot key of `provider`.
    error HotKeyTaken(address hotKey, address provider);
    /// @notice Two rotations must lie `HOT_KEY_OVERLAP` apart.
    error RotationTooSoon(uint64 allowedAt);
    /// @notice The endpoint is empty or longer than `limit` bytes.
    error WrongEndpointLength(uint256 length, uint256 limit);
    /// @notice `deactivate` of a paused or `activate` of an unpaused provider.
    error AlreadySo(bool paused);
    error InsufficientStake(uint256 asked, uint256 staked);
    /// @notice `limit` unbondings are pending already: withdraw one first.
    error TooManyUnbondings(uint256 limit);
    /// @notice No such unbonding, or withdrawn, or slashed to nothing.
    error UnknownUnbonding(address provider, uint256 id);
    error NotYetWithdrawable(uint64 withdrawableAt);
    error HoldTooLong(uint64 until, uint64 limit);
    error AwardTooHigh(uint16 awardBps, uint16 limit);
    /// @notice A delay or amount outside the range that the contract accepts.
    error OutOfRange(uint256 value, uint256 least, uint256 most);

    /// @notice Makes the caller a provider. It is active once it has staked the minimum.
    function registerProvider(address hotKey, string calldata endpoint) external;

    /// @notice Replaces the caller's hot key from this second on.
    function rotateHotKey(address hotKey) external;

    function setEndpoint(string calldata endpoint) external;

    /// @notice Takes the caller out of the directory (stake and duties stay) ...
    function deactivate() external;

    /// @notice ... and back in.
    function activate() external;

    /// @notice Adds to the caller's stake; needs an allowance.
    function stake(uint256 amount) external;

    /// @notice Starts the way out for `amount` of the caller's stake.
    /// @return id Number of the unbonding, ascending per provider from 0.
    function requestUnbond(uint256 amount) external returns (uint256 id);

    /// @notice Pays one matured unbonding to the caller.
    function withdraw(uint256 id) external;

    /// @notice Delays withdrawals of `provider` to `until` (never shortens). By a slasher.
    function hold(address provider, uint64 until) external;

    /// @notice Takes up to `amount` from `provider`; by a slasher.
    /// @param beneficiary Can collect `awardBps` of what was taken (rounded down); the rest is burned then.
    /// @param awardBps At most `MAX_AWARD_BPS`, so that nobody gains by convicting himself.
    /// @return taken `amount`, or all the stake there is, if that is less.
    function slash(address provider, uint256 amount, address beneficiary, uint16 awardBps)
        external
        returns (uint256 taken);

    /// @notice Pays a beneficiary all that slashes have awarded to it, and burns the rest of what they took. Anyone.
    function collect(address beneficiary) external returns (uint256 awarded);

    /// @notice Changes the stake from which a provider is active. By governance.
    function setMinimumStake(uint128 amount) external;

    function getProvider(address provider) external view returns (Provider memory);
    function isActive(address provider) external view returns (bool);

    /// @notice All that a slash can reach: `staked + unbonding`.
    function slashable(address provider) external view returns (uint256);

    function providerCount() external view returns (uint256);
    function providerAt(uint256 index) external view returns (address provider);

    /// @notice The ids `first` to `next - 1` may be pending (holes are withdrawn or slashed).
    function unbondingRange(address provider) external view returns (uint256 first, uint256 next);
    function getUnbonding(address provider, uint256 id) external view returns (Unbonding memory);

    /// @notice The hot key that was current at `time` (unix seconds); zero before registration.
    function hotKeyAt(address provider, uint64 time) external view returns (address);

    /// @notice Whether a receipt of that time may be signed by `key`: current then, or replaced at most
    /// `HOT_KEY_OVERLAP` before.
    function isHotKey(address provider, address key, uint64 time) external view returns (bool);

    /// @notice The provider that `hotKey` belongs to (also after a rotation); zero if none.
    function providerOf(address hotKey) external view returns (address provider);

    /// @notice EIP-712 digest that the provider's hot key signs.
    function receiptDigest(Receipt calldata receipt) external view returns (bytes32);

    /// @notice Whether `signature` (65 bytes, r || s || v) is a hot key's of `receipt.provider` at `receipt.time`.
    function isSignedReceipt(Receipt calldata receipt, bytes calldata signature) external view returns (bool);

    function token() external view returns (IAIVMToken);
    function minimumStake() external view returns (uint128);

    /// @notice What waits for `collect`.
    function spoils(address beneficiary) external view returns (uint128 awarded, uint128 burning);

    /// @notice Sum of all `staked + unbonding`, and of what waits to be collected.
    function totalHeld() external view returns (uint256);
    function SLASHER_ROLE() external view returns (bytes32);
    function UNBONDING_DELAY() external view returns (uint64);
    function HOT_KEY_OVERLAP() external view returns (uint64);
    function MAX_HOLD() external view returns (uint64);
    function MAX_UNBONDINGS() external view returns (uint256);
    function MAX_ENDPOINT_LENGTH() external view returns (uint256);
    /// @notice 5,000 = 50 %.
    function MAX_AWARD_BPS() external view returns (uint16);
}
