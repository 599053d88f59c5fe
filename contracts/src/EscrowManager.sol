// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Multicall} from "@openzeppelin/contracts/utils/Multicall.sol";
import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import {IEscrowManager} from "./interfaces/IEscrowManager.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {Split} from "./libraries/Split.sol";
import {VoucherHash} from "./libraries/VoucherHash.sol";
import {Channel, ChannelStatus, Redemption, Till} from "./types/Channel.sol";
import {ModelStatus} from "./types/Model.sol";
import {MAX_MONEY, Money, toMoney} from "./types/Money.sol";

/// @title EscrowManager
/// @dev Gas decides the shape of the state: redeeming a voucher reads three slots and writes two (the channel's account and
/// its till's total). Nothing else is needed, because shares and payees belong to the till, and because a closed channel
/// is one with expiry 0.
contract EscrowManager is IEscrowManager, AccessControl, ReentrancyGuard, EIP712, Multicall {
    using SafeERC20 for IERC20;

    struct Account {
        Money money;
        address client; // 0: never opened; from here on a second slot
        uint32 till;
        uint64 expiry; // 0: closed
    }

    /// @inheritdoc IEscrowManager
    uint64 public constant MAX_DURATION = 5 * 365 days;
    /// @inheritdoc IEscrowManager
    uint128 public constant MAX_DEPOSIT = uint128(MAX_MONEY);
    /// @inheritdoc IEscrowManager
    uint16 public constant MAX_FEE_BPS = 1_000;

    uint64 private constant LEAST_CHALLENGE_PERIOD = 1 minutes;
    uint64 private constant MOST_CHALLENGE_PERIOD = 30 days;

    /// @inheritdoc IEscrowManager
    IERC20 public immutable token;
    /// @inheritdoc IEscrowManager
    IModelRegistry public immutable registry;
    /// @inheritdoc IEscrowManager
    uint64 public immutable CHALLENGE_PERIOD;

    /// @inheritdoc IEscrowManager
    address public treasury;
    /// @inheritdoc IEscrowManager
    uint16 public feeBps;
    /// @inheritdoc IEscrowManager
    uint32 public tillCount;

    mapping(bytes32 channel => Account) private _accounts;
    mapping(uint32 till => Till) private _tills;
    mapping(bytes32 terms => uint32 till) private _tillOf;

    constructor(
        IERC20 token_,
        IModelRegistry registry_,
        address governance,
        address treasury_,
        uint16 feeBps_,
        uint64 challengePeriod
    ) EIP712("AIVM", "1") {
        if (address(token_) == address(0) || address(registry_) == address(0) || governance == address(0)) {
            revert ZeroAddress();
        }
        if (challengePeriod < LEAST_CHALLENGE_PERIOD || challengePeriod > MOST_CHALLENGE_PERIOD) {
            revert OutOfRange(challengePeriod, LEAST_CHALLENGE_PERIOD, MOST_CHALLENGE_PERIOD);
        }
        token = token_;
        registry = registry_;
        CHALLENGE_PERIOD = challengePeriod;
        _grantRole(DEFAULT_ADMIN_ROLE, governance);
        _setTreasury(treasury_);
        _setFee(feeBps_);
    }

    // --- the client locks money ------------------------------------------------------------------

    /// @inheritdoc IEscrowManager
    function open(address provider, bytes32 model, uint128 amount, bytes32 salt, uint64 expiry)
        external
        nonReentrant
        returns (bytes32 channel)
    {
        if (provider == address(0)) revert ZeroAddress();
        if (provider == address(this)) revert WrongPayee(provider);
        if (amount == 0) revert ZeroAmount();
        _requireExpiry(expiry, uint64(block.timestamp) + 1);
        channel = channelId(msg.sender, provider, model, salt);
        Account storage account = _accounts[channel];
        if (account.client != address(0)) revert ChannelExists(channel);
        uint32 till = _tillFor(provider, model);
        account.client = msg.sender;
        account.till = till;
        account.expiry = expiry;
        account.money = _funded(Money.wrap(0), amount);
        emit ChannelOpened(channel, msg.sender, provider, model, amount, expiry, till);
        token.safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @inheritdoc IEscrowManager
    function topUp(bytes32 channel, uint128 amount) external nonReentrant {
        Account storage account = _requireOpen(channel);
        if (amount == 0) revert ZeroAmount();
        Money money = _funded(account.money, amount);
        account.money = money;
        emit ChannelToppedUp(channel, amount, money.deposit());
        token.safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @inheritdoc IEscrowManager
    function extend(bytes32 channel, uint64 expiry) external {
        Account storage account = _requireOpen(channel);
        _requireClient(account);
        _requireExpiry(expiry, account.expiry + 1);
        account.expiry = expiry;
        emit ChannelExtended(channel, expiry);
    }

    // --- the provider is paid --------------------------------------------------------------------

    /// @inheritdoc IEscrowManager
    /// @dev Moves no token, and calls nobody but a contract client's view: needs no guard.
    function redeem(bytes32 channel, uint64 sequence, uint128 amount, bytes32 job, bytes calldata signature)
        external
        returns (uint128 paid)
    {
        address client = _accounts[channel].client;
        bytes32 digest = voucherDigest(channel, sequence, amount, job);
        bytes4 refusal;
        (paid, refusal) =
            _redeem(channel, sequence, amount, job, _isSignedBy(client, digest, signature) ? client : address(0));
        if (refusal != 0) _refuse(refusal, channel, amount);
    }

    /// @inheritdoc IEscrowManager
    function redeemMany(Redemption[] calldata redemptions) external returns (uint128 paid) {
        for (uint256 i = 0; i < redemptions.length; ++i) {
            Redemption calldata v = redemptions[i];
            bytes32 digest = voucherDigest(v.channel, v.sequence, v.amount, v.job);
            (address signer,,) = ECDSA.tryRecover(digest, v.r, v.vs); // zero if malformed
            (uint128 part, bytes4 refusal) = _redeem(v.channel, v.sequence, v.amount, v.job, signer);
            if (refusal != 0) emit RedemptionSkipped(v.channel, v.sequence, refusal);
            paid += part;
        }
    }

    /// @inheritdoc IEscrowManager
    function payOut(uint32 till)
        external
        nonReentrant
        returns (uint128 toProvider, uint128 toPublisher, uint128 toTreasury)
    {
        Till memory due = _tills[till];
        if (due.provider == address(0)) revert UnknownTill(till);
        if (due.redeemed == due.paidOut) revert NothingToPayOut(till);
        _tills[till].paidOut = due.redeemed;
        (uint256 provider, uint256 publisher, uint256 fee) =
            Split.between(due.paidOut, due.redeemed, due.royaltyBps, due.feeBps);
        // Each is a part of a uint128.
        (toProvider, toPublisher, toTreasury) = (uint128(provider), uint128(publisher), uint128(fee));
        (address payee,,) = registry.terms(due.model);
        emit PaidOut(till, due.provider, payee, toProvider, toPublisher, toTreasury);
        if (toProvider > 0) token.safeTransfer(due.provider, toProvider);
        if (toPublisher > 0) token.safeTransfer(payee, toPublisher);
        if (toTreasury > 0) token.safeTransfer(treasury, toTreasury);
    }

    // --- a channel ends --------------------------------------------------------------------------

    /// @inheritdoc IEscrowManager
    function requestClose(bytes32 channel) external {
        Account storage account = _requireOpen(channel);
        _requireClient(account);
        account.expiry = uint64(block.timestamp);
        emit CloseRequested(channel, uint64(block.timestamp) + CHALLENGE_PERIOD);
    }

    /// @inheritdoc IEscrowManager
    function close(bytes32 channel) external nonReentrant returns (uint128 refund) {
        Account storage account = _requireNotClosed(channel);
        address provider = _tills[account.till].provider;
        if (msg.sender != provider) revert NotProvider(msg.sender, provider);
        return _close(channel, account);
    }

    /// @inheritdoc IEscrowManager
    function finalize(bytes32 channel) external nonReentrant returns (uint128 refund) {
        Account storage account = _requireNotClosed(channel);
        uint64 refundableAt = account.expiry + CHALLENGE_PERIOD;
        if (block.timestamp < refundableAt) revert NotYetRefundable(channel, refundableAt);
        return _close(channel, account);
    }

    // --- governance ------------------------------------------------------------------------------

    /// @inheritdoc IEscrowManager
    function setTreasury(address treasury_) external onlyRole(DEFAULT_ADMIN_ROLE) {
        _setTreasury(treasury_);
    }

    /// @inheritdoc IEscrowManager
    function setFee(uint16 feeBps_) external onlyRole(DEFAULT_ADMIN_ROLE) {
        _setFee(feeBps_);
    }

    // --- looking up ------------------------------------------------------------------------------

    /// @inheritdoc IEscrowManager
    function getChannel(bytes32 channel) external view returns (Channel memory) {
        Account storage account = _requireKnown(channel);
        Till storage till = _tills[account.till];
        return Channel({
            client: account.client,
            provider: till.provider,
            model: till.model,
            deposit: account.money.deposit(),
            redeemed: account.money.redeemed(),
            expiry: account.expiry,
            refundableAt: account.expiry == 0 ? 0 : account.expiry + CHALLENGE_PERIOD,
            royaltyBps: till.royaltyBps,
            feeBps: till.feeBps,
            till: account.till,
            status: _status(account)
        });
    }

    /// @inheritdoc IEscrowManager
    function channelId(address client, address provider, bytes32 model, bytes32 salt) public view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), client, provider, model, salt));
    }

    /// @inheritdoc IEscrowManager
    function getTill(uint32 till) external view returns (Till memory) {
        if (_tills[till].provider == address(0)) revert UnknownTill(till);
        return _tills[till];
    }

    /// @inheritdoc IEscrowManager
    function voucherDigest(bytes32 channel, uint64 sequence, uint128 amount, bytes32 job)
        public
        view
        returns (bytes32)
    {
        return _hashTypedDataV4(VoucherHash.hash(channel, sequence, amount, job));
    }

    /// @inheritdoc IEscrowManager
    function isSignedVoucher(bytes32 channel, uint64 sequence, uint128 amount, bytes32 job, bytes calldata signature)
        external
        view
        returns (bool)
    {
        address client = _requireKnown(channel).client;
        return _isSignedBy(client, voucherDigest(channel, sequence, amount, job), signature);
    }

    // --- parts -----------------------------------------------------------------------------------

    /// Redeems a voucher that `signer` has signed; or changes nothing and says by an error's selector why not.
    function _redeem(bytes32 channel, uint64 sequence, uint128 amount, bytes32 job, address signer)
        private
        returns (uint128 paid, bytes4 refusal)
    {
        Account storage account = _accounts[channel];
        Money money = account.money;
        if (account.client == address(0)) return (0, UnknownChannel.selector);
        if (account.expiry == 0) return (0, AlreadyClosed.selector);
        uint128 owed = amount < money.deposit() ? amount : money.deposit();
        if (owed <= money.redeemed()) return (0, NothingToRedeem.selector);
        if (signer != account.client) return (0, BadSignature.selector);
        paid = owed - money.redeemed();
        account.money = toMoney(money.deposit(), owed);
        _tills[account.till].redeemed += paid;
        emit Redeemed(channel, sequence, paid, job);
    }

    function _refuse(bytes4 refusal, bytes32 channel, uint128 amount) private view {
        Account storage account = _accounts[channel];
        if (refusal == UnknownChannel.selector) revert UnknownChannel(channel);
        if (refusal == AlreadyClosed.selector) revert AlreadyClosed(channel);
        if (refusal == NothingToRedeem.selector) revert NothingToRedeem(channel, amount, account.money.redeemed());
        revert BadSignature(channel, account.client);
    }

    /// A plain key first: it is the usual case, and spares the look at the client's code.
    function _isSignedBy(address client, bytes32 digest, bytes calldata signature) private view returns (bool) {
        (address signer, ECDSA.RecoverError problem,) = ECDSA.tryRecover(digest, signature);
        if (problem == ECDSA.RecoverError.NoError && signer == client) return true;
        return client.code.length > 0 && SignatureChecker.isValidERC1271SignatureNow(client, digest, signature);
    }

    function _close(bytes32 channel, Account storage account) private returns (uint128 refund) {
        Money money = account.money;
        refund = money.deposit() - money.redeemed();
        account.money = toMoney(money.redeemed(), money.redeemed());
        account.expiry = 0;
        emit ChannelClosed(channel, refund);
        if (refund > 0) token.safeTransfer(account.client, refund);
    }

    /// The till for a new channel, with the shares of now.
    function _tillFor(address provider, bytes32 model) private returns (uint32 till) {
        (, uint16 royaltyBps, ModelStatus status) = registry.terms(model);
        if (status == ModelStatus.None || status == ModelStatus.Revoked) revert ModelNotUsable(model);
        uint16 fee = feeBps;
        bytes32 terms = keccak256(abi.encode(provider, model, royaltyBps, fee));
        till = _tillOf[terms];
        if (till != 0) return till;
        till = ++tillCount;
        _tillOf[terms] = till;
        _tills[till] = Till(provider, royaltyBps, fee, model, 0, 0);
        emit TillOpened(till, provider, model, royaltyBps, fee);
    }

    function _funded(Money money, uint128 amount) private pure returns (Money) {
        uint256 deposit = uint256(money.deposit()) + amount;
        if (deposit > MAX_DEPOSIT) revert DepositTooLarge(deposit, MAX_DEPOSIT);
        return toMoney(deposit, money.redeemed());
    }

    function _status(Account storage account) private view returns (ChannelStatus) {
        if (account.expiry == 0) return ChannelStatus.Closed;
        return block.timestamp < account.expiry ? ChannelStatus.Open : ChannelStatus.Closing;
    }

    function _requireKnown(bytes32 channel) private view returns (Account storage account) {
        account = _accounts[channel];
        if (account.client == address(0)) revert UnknownChannel(channel);
    }

    function _requireNotClosed(bytes32 channel) private view returns (Account storage account) {
        account = _requireKnown(channel);
        if (account.expiry == 0) revert AlreadyClosed(channel);
    }

    function _requireOpen(bytes32 channel) private view returns (Account storage account) {
        account = _requireNotClosed(channel);
        if (block.timestamp >= account.expiry) revert ChannelExpired(channel, account.expiry);
    }

    function _requireClient(Account storage account) private view {
        if (msg.sender != account.client) revert NotClient(msg.sender, account.client);
    }

    function _requireExpiry(uint64 expiry, uint64 least) private view {
        uint64 most = uint64(block.timestamp) + MAX_DURATION;
        if (expiry < least || expiry > most) revert WrongExpiry(expiry, least, most);
    }

    function _setTreasury(address treasury_) private {
        if (treasury_ == address(0)) revert ZeroAddress();
        if (treasury_ == address(this)) revert WrongPayee(treasury_);
        treasury = treasury_;
        emit TreasuryChanged(treasury_);
    }

    function _setFee(uint16 feeBps_) private {
        if (feeBps_ > MAX_FEE_BPS) revert FeeTooHigh(feeBps_, MAX_FEE_BPS);
        feeBps = feeBps_;
        emit FeeChanged(feeBps_);
    }
}
