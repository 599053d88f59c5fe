// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";

import {IAIVMToken} from "./interfaces/IAIVMToken.sol";
import {IDisputeGame} from "./interfaces/IDisputeGame.sol";
import {IEscrowManager} from "./interfaces/IEscrowManager.sol";
import {IMisconduct} from "./interfaces/IMisconduct.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {IStaking} from "./interfaces/IStaking.sol";
import {JobId} from "./libraries/JobId.sol";
import {MerkleTree} from "./libraries/MerkleTree.sol";
import {Sentence} from "./libraries/Sentence.sol";
import {Channel} from "./types/Channel.sol";
import {ModelStatus} from "./types/Model.sol";
import {Receipt} from "./types/Receipt.sol";
import {Standing, Summons} from "./types/Summons.sol";

/// @title Misconduct
contract Misconduct is IMisconduct, ReentrancyGuard {
    using JobId for Receipt;
    using SafeERC20 for IAIVMToken;

    /// @inheritdoc IMisconduct
    /// @dev Longer than a report waits for its block, so that nobody who sees it can announce it and still be first.
    uint64 public constant SEALED_FOR = 5 minutes;

    uint64 private constant LEAST_ANSWER_TIME = 1 minutes;

    /// @inheritdoc IMisconduct
    IAIVMToken public immutable token;
    /// @inheritdoc IMisconduct
    IStaking public immutable staking;
    /// @inheritdoc IMisconduct
    IEscrowManager public immutable escrow;
    /// @inheritdoc IMisconduct
    IModelRegistry public immutable registry;
    /// @inheritdoc IMisconduct
    uint64 public immutable WINDOW;
    /// @inheritdoc IMisconduct
    uint64 public immutable ANSWER_TIME;
    /// @inheritdoc IMisconduct
    uint256 public immutable BOND;
    /// @inheritdoc IMisconduct
    uint256 public immutable PENALTY;

    /// @inheritdoc IMisconduct
    mapping(bytes32 seal => uint64 time) public announced;
    /// @inheritdoc IMisconduct
    mapping(bytes32 claim => bool) public convicted;

    mapping(bytes32 order => Summons) private _summonses;

    /// Staking, window, bond and penalty are the game's: they stand in one place.
    constructor(IDisputeGame game, IEscrowManager escrow_, uint64 answerTime) {
        staking = game.staking();
        token = game.token();
        escrow = escrow_;
        registry = escrow_.registry();
        (WINDOW, BOND, PENALTY) = (game.WINDOW(), game.BOND(), game.PENALTY());
        uint64 most = staking.MAX_HOLD() - Sentence.SETTLING;
        if (answerTime < LEAST_ANSWER_TIME || answerTime > most) {
            revert OutOfRange(answerTime, LEAST_ANSWER_TIME, most);
        }
        ANSWER_TIME = answerTime;
    }

    // --- reports ---------------------------------------------------------------------------------

    /// @inheritdoc IMisconduct
    function announce(bytes32 seal) external {
        // The first time counts: nobody can put another's report off by announcing its seal again.
        if (announced[seal] == 0) announced[seal] = uint64(block.timestamp);
    }

    /// @inheritdoc IMisconduct
    function equivocation(
        Receipt calldata first,
        bytes calldata firstSignature,
        Receipt calldata second,
        bytes calldata secondSignature,
        bytes32 salt
    ) external nonReentrant {
        _open(keccak256(abi.encode(first)), keccak256(abi.encode(second)), salt);
        (bytes32 firstClaim, bytes32 secondClaim) = (claimOf(first), claimOf(second));
        if (first.job != second.job || first.provider != second.provider || firstClaim == secondClaim) {
            revert NoEquivocation();
        }
        // With these a job id has one meaning: the claims differ in what that job fixes.
        _requireJob(first);
        _requireJob(second);
        if (convicted[firstClaim] && convicted[secondClaim]) revert AlreadyConvicted(firstClaim);
        _requireSigned(first, firstSignature);
        _requireSigned(second, secondSignature);
        (convicted[firstClaim], convicted[secondClaim]) = (true, true);
        (uint256 taken, uint256 award) = Sentence.convict(staking, token, PENALTY, first.provider, first.client);
        emit Equivocated(first.job, first.provider, msg.sender, taken);
        if (award > 0) token.safeTransfer(msg.sender, award);
    }

    /// @inheritdoc IMisconduct
    function inconsistent(Receipt calldata receipt, bytes calldata signature, bytes32 salt) external nonReentrant {
        _open(keccak256(abi.encode(receipt)), 0, salt);
        if (receipt.job == receipt.expectedJob()) revert NothingWrong();
        bytes32 claim = claimOf(receipt);
        if (convicted[claim]) revert AlreadyConvicted(claim);
        _requireSigned(receipt, signature);
        convicted[claim] = true;
        (uint256 taken, uint256 award) = Sentence.convict(staking, token, PENALTY, receipt.provider, receipt.client);
        emit Inconsistent(receipt.job, receipt.provider, msg.sender, taken);
        if (award > 0) token.safeTransfer(msg.sender, award);
    }

    // --- summonses -------------------------------------------------------------------------------

    /// @inheritdoc IMisconduct
    function summon(Receipt calldata receipt, bytes calldata signature) external nonReentrant returns (bytes32 order) {
        _requireJob(receipt);
        _requireSigned(receipt, signature);
        order = orderOf(receipt.provider, receipt.client, receipt.job);
        Standing standing = _summonses[order].standing;
        if (standing == Standing.Summoned) revert AlreadySummoned(order);
        if (standing == Standing.Shown) revert AlreadyShown(order);
        if (standing == Standing.Convicted) revert AlreadyConvicted(order);
        if (receipt.channel != 0) {
            escrow.getChannel(receipt.channel); // reverts where there is none
        } else {
            (,, ModelStatus status) = registry.terms(receipt.model);
            if (status == ModelStatus.None) revert UnknownModel(receipt.model);
        }
        uint64 deadline = uint64(block.timestamp) + ANSWER_TIME;
        _summonses[order] = Summons(msg.sender, deadline, Standing.Summoned);
        emit Summoned(order, receipt.provider, msg.sender, deadline, receipt);
        staking.hold(receipt.provider, deadline + Sentence.SETTLING);
        token.safeTransferFrom(msg.sender, address(this), BOND);
    }

    /// @inheritdoc IMisconduct
    function showAgreement(Receipt calldata receipt, uint128 amount, bytes calldata signature) external nonReentrant {
        _requireJob(receipt); // so that channel and sequence are the job's, and no other's
        Channel memory channel = escrow.getChannel(receipt.channel);
        if (
            channel.client != receipt.client || channel.provider != receipt.provider || channel.model != receipt.model
                || !escrow.isSignedVoucher(receipt.channel, receipt.sequence, amount, receipt.job, signature)
        ) revert NotAgreed(receipt.channel);
        _show(receipt);
    }

    /// @inheritdoc IMisconduct
    function showListing(Receipt calldata receipt, uint256 position, uint256 count, bytes32[] calldata path)
        external
        nonReentrant
    {
        if (receipt.channel != 0) revert NeedsAgreement(receipt.channel);
        _requireJob(receipt); // so that model and program are the job's
        if (!isListed(receipt.model, receipt.program, position, count, path)) {
            revert NotListed(receipt.model, receipt.program);
        }
        _show(receipt);
    }

    /// @inheritdoc IMisconduct
    function lapse(address provider, address client, bytes32 job) external nonReentrant {
        bytes32 order = orderOf(provider, client, job);
        Summons memory pending = _summonses[order];
        if (pending.standing != Standing.Summoned) revert NotSummoned(order);
        if (block.timestamp <= pending.deadline) revert NotYetOver(pending.deadline);
        if (!Sentence.isInPower(staking)) {
            delete _summonses[order];
            emit Voided(order);
            token.safeTransfer(pending.summoner, BOND);
            return;
        }
        _summonses[order].standing = Standing.Convicted;
        (uint256 taken, uint256 award) = Sentence.convict(staking, token, PENALTY, provider, client);
        emit Lapsed(order, provider, pending.summoner, taken);
        token.safeTransfer(pending.summoner, BOND + award);
    }

    // --- looking up ------------------------------------------------------------------------------

    /// @inheritdoc IMisconduct
    function isListed(bytes32 model, bytes32 program, uint256 position, uint256 count, bytes32[] calldata path)
        public
        view
        returns (bool)
    {
        bytes32 leaf = MerkleTree.leafHash(program);
        // The registry's roots are not zero, which `climb` gives where position, count and path do not fit.
        return MerkleTree.climb(leaf, position, count, path) == registry.getModel(model).programs;
    }

    /// @inheritdoc IMisconduct
    function summonses(bytes32 order) external view returns (Summons memory) {
        return _summonses[order];
    }

    /// @inheritdoc IMisconduct
    function sealOf(address reporter, bytes32 first, bytes32 second, bytes32 salt) public pure returns (bytes32) {
        return keccak256(abi.encode(reporter, first, second, salt));
    }

    /// @inheritdoc IMisconduct
    function claimOf(Receipt calldata receipt) public pure returns (bytes32) {
        return keccak256(
            abi.encode(
                receipt.job,
                receipt.model,
                receipt.program,
                receipt.inputs,
                receipt.outputs,
                receipt.channel == 0 ? address(0) : receipt.client, // one job may be a gift to many
                receipt.provider,
                receipt.channel,
                receipt.sequence,
                receipt.numerics
            )
        );
    }

    /// @inheritdoc IMisconduct
    function orderOf(address provider, address client, bytes32 job) public pure returns (bytes32) {
        return keccak256(abi.encode(provider, client, job));
    }

    // --- parts -----------------------------------------------------------------------------------

    /// Opens the sender's seal over these receipts; it is spent.
    function _open(bytes32 first, bytes32 second, bytes32 salt) private {
        bytes32 seal = sealOf(msg.sender, first, second, salt);
        uint64 since = announced[seal];
        if (since == 0) revert NotAnnounced(seal);
        if (block.timestamp < since + SEALED_FOR) revert NotYetReportable(since + SEALED_FOR);
        delete announced[seal];
    }

    function _requireJob(Receipt calldata receipt) private pure {
        if (receipt.job != receipt.expectedJob()) revert WrongJob(receipt.job);
    }

    function _requireSigned(Receipt calldata receipt, bytes calldata signature) private view {
        // A time ahead is no excuse, and may be so large that adding to it overflows.
        if (block.timestamp > uint256(receipt.time) + WINDOW) revert OutsideWindow(receipt.time);
        if (!staking.isSignedReceipt(receipt, signature)) revert NotSigned();
    }

    /// The order is in order; whoever had asked pays for the trouble.
    function _show(Receipt calldata receipt) private {
        bytes32 order = orderOf(receipt.provider, receipt.client, receipt.job);
        Summons memory pending = _summonses[order];
        if (pending.standing == Standing.Shown) revert AlreadyShown(order);
        if (pending.standing == Standing.Convicted) revert AlreadyConvicted(order);
        _summonses[order] = Summons(pending.summoner, pending.deadline, Standing.Shown);
        emit Shown(order, receipt.provider, pending.summoner);
        if (pending.standing == Standing.None) return;
        if (block.timestamp > pending.deadline) revert TooLate(pending.deadline);
        Sentence.forfeit(token, BOND, receipt.provider);
    }
}
