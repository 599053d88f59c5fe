// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {Channel, Redemption, Till} from "../types/Channel.sol";
import {IModelRegistry} from "./IModelRegistry.sol";

/// @title Payment channels
/// @notice A client locks a deposit for one provider and one model, then pays for each inference with a signed,
/// cumulative voucher: no transaction per inference.
///
///     Voucher(bytes32 channel,uint64 sequence,uint128 amount,bytes32 job)      EIP-712 domain "AIVM", version "1"
///
/// `amount` is all that the channel owes so far, `job` names the job that the voucher pays for, `sequence` numbers the
/// jobs of a channel. The client signs; a client that is a contract answers by ERC-1271 (and may change its mind: a
/// provider should redeem such vouchers at once).
///
/// A voucher is good as long as its `amount` is above what was redeemed, in any order. `sequence` is no rule here, on
/// purpose: if vouchers had to ascend by it, a client could redeem one of its own with a high number and an amount of
/// 1, and so make every voucher in the provider's hands worthless. With amounts alone, whoever redeems whatever the
/// client signed can only pay the provider sooner.
///
/// Money moves in two steps. `redeem` takes what is due out of the client's reach into a *till*; `payOut` empties a
/// till to provider, publisher and treasury. One till serves all channels of the same provider, model and
/// shares, so a provider redeems many channels cheaply and is paid once. Both can be called by anyone, and the money
/// goes only to those it belongs to.
///
///     open ──────────── expiry ──────────── refundableAt ──────── finalize
///       vouchers made        vouchers only        rest goes back     id spent
///       and redeemed         redeemed             to the client      for ever
///
/// `refundableAt` is `expiry + CHALLENGE_PERIOD`: the provider always has that long to redeem its last voucher. The
/// client's `requestClose` brings the expiry forward to now; the provider's `close` refunds at once. Vouchers can be
/// redeemed until the channel is finalized, even after `refundableAt`. No state is without a way out.
///
/// Shares are fixed when a channel is opened, and computed from the till's total, never from a single payment
/// (see `Split`): nothing is gained or lost by many small redemptions.
///
/// Invariant: the token balance is the sum of `deposit - redeemed` over all channels plus the sum of
/// `redeemed - paidOut` over all tills (and what somebody sent here by mistake).
interface IEscrowManager {
    event ChannelOpened(
        bytes32 indexed channel,
        address indexed client,
        address indexed provider,
        bytes32 model,
        uint128 amount,
        uint64 expiry,
        uint32 till
    );
    event ChannelToppedUp(bytes32 indexed channel, uint128 amount, uint128 deposit);
    event ChannelExtended(bytes32 indexed channel, uint64 expiry);
    event CloseRequested(bytes32 indexed channel, uint64 refundableAt);
    event ChannelClosed(bytes32 indexed channel, uint128 refund);
    /// @notice `paid` went from the channel into its till.
    event Redeemed(bytes32 indexed channel, uint64 sequence, uint128 paid, bytes32 job);
    /// @notice An entry of `redeemMany` was left out; `reason` is the selector of the error that `redeem` would give.
    event RedemptionSkipped(bytes32 indexed channel, uint64 sequence, bytes4 reason);
    event TillOpened(
        uint32 indexed till, address indexed provider, bytes32 indexed model, uint16 royaltyBps, uint16 feeBps
    );
    event PaidOut(
        uint32 indexed till,
        address indexed provider,
        address indexed publisher,
        uint128 toProvider,
        uint128 toPublisher,
        uint128 toTreasury
    );
    event TreasuryChanged(address indexed treasury);
    event FeeChanged(uint16 feeBps);

    error ZeroAddress();
    error ZeroAmount();
    /// @notice The deposit would be above `MAX_DEPOSIT`.
    error DepositTooLarge(uint256 deposit, uint256 limit);
    /// @notice Neither a provider nor the treasury can be this contract.
    error WrongPayee(address payee);
    /// @notice The model is not registered, or revoked.
    error ModelNotUsable(bytes32 model);
    /// @notice The expiry is not in the future, too far in it, or not later than before.
    error WrongExpiry(uint64 expiry, uint64 least, uint64 most);
    /// @notice The same client, provider, model and salt have had a channel: choose another salt.
    error ChannelExists(bytes32 channel);
    error UnknownChannel(bytes32 channel);
    error AlreadyClosed(bytes32 channel);
    /// @notice The channel is past its expiry.
    error ChannelExpired(bytes32 channel, uint64 expiry);
    error NotClient(address caller, address client);
    error NotProvider(address caller, address provider);
    error NotYetRefundable(bytes32 channel, uint64 refundableAt);
    /// @notice The voucher (or the deposit) is not above what was redeemed already.
    error NothingToRedeem(bytes32 channel, uint128 amount, uint128 redeemed);
    /// @notice The signature is not the client's.
    error BadSignature(bytes32 channel, address client);
    error UnknownTill(uint32 till);
    error NothingToPayOut(uint32 till);
    error FeeTooHigh(uint16 feeBps, uint16 limit);
    /// @notice A period outside the range that the contract accepts.
    error OutOfRange(uint256 value, uint256 least, uint256 most);

    /// @notice Opens a channel from the caller to `provider`; needs an allowance for `amount`.
    /// @param model Must be registered and not revoked.
    /// @param salt Any value not used before with the same provider and model.
    /// @param expiry Unix seconds, at most `MAX_DURATION` ahead.
    /// @return channel keccak256(abi.encode(chain id, this contract, caller, provider, model, salt)).
    function open(address provider, bytes32 model, uint128 amount, bytes32 salt, uint64 expiry)
        external
        returns (bytes32 channel);

    /// @notice Adds to the deposit of an open channel. By anyone; only the client is ever refunded.
    function topUp(bytes32 channel, uint128 amount) external;

    /// @notice Moves the expiry of an open channel further out. By the client.
    function extend(bytes32 channel, uint64 expiry) external;

    /// @notice Takes what the voucher adds to the channel's total, at most the deposit, into the channel's till.
    /// A voucher over the deposit pays what is there and counts as redeemed.
    /// @param signature The client's: 65 bytes r || s || v with low s, or what its contract accepts.
    /// @return paid Base units taken.
    function redeem(bytes32 channel, uint64 sequence, uint128 amount, bytes32 job, bytes calldata signature)
        external
        returns (uint128 paid);

    /// @notice As `redeem` for each entry, except that a bad one is skipped with {RedemptionSkipped}: one spent or
    /// forged voucher, or a stranger who redeemed one of them first, does not cost the others their turn.
    /// Takes signatures of plain keys only, in their compact form (see {Redemption}): calldata is what a batch pays for.
    /// @return paid Sum over all entries; can be 0.
    function redeemMany(Redemption[] calldata redemptions) external returns (uint128 paid);

    /// @notice Pays all that waits in a till: provider, the model's publisher of now, treasury. By anyone.
    function payOut(uint32 till) external returns (uint128 toProvider, uint128 toPublisher, uint128 toTreasury);

    /// @notice Brings the expiry of an open channel forward to now. By the client.
    function requestClose(bytes32 channel) external;

    /// @notice Closes the channel and refunds the rest to the client. By the provider, at any time.
    function close(bytes32 channel) external returns (uint128 refund);

    /// @notice Closes the channel and refunds the rest to the client. By anyone, from `refundableAt` on.
    function finalize(bytes32 channel) external returns (uint128 refund);

    /// @notice Where fees of later payouts go. By governance.
    function setTreasury(address treasury) external;

    /// @notice The treasury's share in channels opened from now on. By governance.
    function setFee(uint16 feeBps) external;

    function getChannel(bytes32 channel) external view returns (Channel memory);
    function channelId(address client, address provider, bytes32 model, bytes32 salt) external view returns (bytes32);

    function getTill(uint32 till) external view returns (Till memory);

    /// @notice Tills are numbered from 1 to `tillCount()`.
    function tillCount() external view returns (uint32);

    /// @notice EIP-712 digest that the client signs.
    function voucherDigest(bytes32 channel, uint64 sequence, uint128 amount, bytes32 job)
        external
        view
        returns (bytes32);

    /// @notice Whether `signature` is the client's under this voucher, redeemed or not (the dispute game asks).
    function isSignedVoucher(bytes32 channel, uint64 sequence, uint128 amount, bytes32 job, bytes calldata signature)
        external
        view
        returns (bool);

    function token() external view returns (IERC20);
    function registry() external view returns (IModelRegistry);
    function treasury() external view returns (address);
    function feeBps() external view returns (uint16);
    function CHALLENGE_PERIOD() external view returns (uint64);
    function MAX_DURATION() external view returns (uint64);
    function MAX_DEPOSIT() external view returns (uint128);
    /// @notice 1,000 = 10 %.
    function MAX_FEE_BPS() external view returns (uint16);
}
