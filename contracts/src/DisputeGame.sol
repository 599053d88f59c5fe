// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

import {IAIVMToken} from "./interfaces/IAIVMToken.sol";
import {IDisputeGame} from "./interfaces/IDisputeGame.sol";
import {IReferee} from "./interfaces/IReferee.sol";
import {IStaking} from "./interfaces/IStaking.sol";
import {GameRecord} from "./libraries/GameRecord.sol";
import {MerkleTree} from "./libraries/MerkleTree.sol";
import {Narrowing} from "./libraries/Narrowing.sol";
import {Openings} from "./libraries/Openings.sol";
import {PackedGame} from "./libraries/PackedGame.sol";
import {Sentence} from "./libraries/Sentence.sol";
import {TensorRoot} from "./libraries/TensorRoot.sol";
import {TensorType} from "./types/Claim.sol";
import {
    ElementPick,
    Evidence,
    OpenedRecord,
    OutputProof,
    PackedState,
    Phase,
    ShownType,
    StepPick,
    Verdict,
    Work
} from "./types/Game.sol";
import {Receipt} from "./types/Receipt.sol";

/// @title DisputeGame
/// @dev Every move is: `_enter` (state, phase, clock, sender), a rule, and `_leave`, `_convict` or `_acquit`. Time and
/// money are this contract's affair; whether a proof holds, and the rules of the chain, are the referee's. No lock
/// against reentrancy: nothing is written after a call that could reach strangers, the token's.
contract DisputeGame is IDisputeGame {
    using GameRecord for bytes;
    using Openings for PackedState;
    using PackedGame for PackedState;
    using SafeERC20 for IAIVMToken;

    address private immutable judge;
    uint8 private constant OPTIMISTIC = 1;
    uint8 private constant REDUNDANT = 2;

    /// @inheritdoc IDisputeGame
    IAIVMToken public immutable token;
    /// @inheritdoc IDisputeGame
    IStaking public immutable staking;
    /// @inheritdoc IDisputeGame
    IReferee public immutable referee;
    /// @inheritdoc IDisputeGame
    uint64 public immutable WINDOW;
    /// @inheritdoc IDisputeGame
    uint32 public immutable CLOCK;
    /// @inheritdoc IDisputeGame
    uint256 public immutable BOND;
    /// @inheritdoc IDisputeGame
    uint256 public immutable PENALTY;

    /// @inheritdoc IDisputeGame
    mapping(bytes32 game => bytes32 state) public games;
    /// @inheritdoc IDisputeGame
    mapping(bytes32 receipt => Verdict) public verdicts;
    /// @inheritdoc IDisputeGame
    mapping(address account => uint256) public credits;

    constructor(IStaking staking_, IReferee referee_, uint64 window, uint32 clock, uint256 bond, uint256 penalty) {
        // Nobody may leave between a receipt and the last second of its window; the rest of a game is held.
        uint256 most = staking_.UNBONDING_DELAY() - 1;
        if (window == 0 || window > most) revert OutOfRange(window, 1, most);
        most = (staking_.MAX_HOLD() - Sentence.SETTLING) / 2;
        if (clock == 0 || clock > most) revert OutOfRange(clock, 1, most);
        if (bond == 0) revert OutOfRange(bond, 1, type(uint256).max);
        if (penalty == 0) revert OutOfRange(penalty, 1, type(uint256).max);
        staking = staking_;
        token = staking_.token();
        referee = referee_;
        judge = address(referee_.oneStep());
        (WINDOW, CLOCK, BOND, PENALTY) = (window, clock, bond, penalty);
    }

    // --- the beginning ---------------------------------------------------------------------------

    /// @inheritdoc IDisputeGame
    function open(Receipt calldata receipt, bytes calldata signature, OpenedRecord calldata header)
        external
        returns (bytes32 game)
    {
        if (receipt.tier != OPTIMISTIC && receipt.tier != REDUNDANT) revert NotDisputable(receipt.tier);
        if (receipt.time > block.timestamp || receipt.time + WINDOW < block.timestamp) {
            revert OutsideWindow(receipt.time);
        }
        PackedState memory state;
        state.receipt = keccak256(abi.encode(receipt));
        state.challenger = msg.sender;
        Verdict storage verdict = verdicts[state.receipt];
        if (verdict.convicted) revert AlreadyConvicted(state.receipt);
        verdict.doubted = true;
        game = _gameOf(state.receipt, msg.sender);
        if (games[game] != 0) revert GameExists(game);
        state.defender = _signer(receipt, signature);
        _readHeader(state, receipt, header);
        state.setSince(block.timestamp);
        state.setChallengerLeft(CLOCK);
        state.setProviderLeft(CLOCK);
        (state.node, state.opened) = (receipt.outputs, bytes32(uint256(uint160(receipt.provider))));
        state.setLane(Narrowing.NO_LANE);
        emit Opened(game, receipt.provider, msg.sender, receipt);
        _leave(game, state, Phase.COMMIT);
        staking.hold(receipt.provider, uint64(block.timestamp) + 2 * uint64(CLOCK) + Sentence.SETTLING);
        _takeBond();
    }

    // --- the trace -------------------------------------------------------------------------------

    /// @inheritdoc IDisputeGame
    function commit(PackedState calldata packed, bytes32[] calldata outputs, bytes32[] calldata nodes) external {
        (bytes32 game, PackedState memory state) = _read(packed);
        address owner = address(uint160(uint256(state.opened)));
        if (msg.sender == owner) state.defender = owner;
        _check(state, Phase.COMMIT);
        if (outputs.length != state.outputs()) revert WrongCount(outputs.length, state.outputs());
        if (MerkleTree.hashUp(outputs, true) != state.node) revert WrongOpening();
        state.setLeaves(state.values());
        state.setLevel(MerkleTree.depth(state.leaves()));
        uint256 levels = MerkleTree.roundLevels(state.level());
        state.node = state.frontierRoot(nodes, levels, levels == state.level());
        state.opened = state.node;
        emit Committed(game, outputs);
        emit Revealed(game, nodes);
        _leave(game, state, Phase.PICK_VALUE);
    }

    /// @inheritdoc IDisputeGame
    function reveal(PackedState calldata packed, bytes32[] calldata nodes) external {
        (bytes32 game, PackedState memory state) = _read(packed);
        bool inTrace = state.phase() == Phase.REVEAL_VALUES;
        _check(state, inTrace ? Phase.REVEAL_VALUES : Phase.REVEAL_NODES);
        uint256 levels = _levels(state, inTrace);
        if (state.frontierRoot(nodes, levels, inTrace && levels == state.level()) != state.node) revert WrongOpening();
        emit Revealed(game, nodes);
        _leave(game, state, inTrace ? Phase.PICK_VALUE : Phase.PICK_LEAF);
    }

    /// @inheritdoc IDisputeGame
    function pick(PackedState calldata packed, uint32 position, bytes32 node, bytes32[] calldata path) external {
        (bytes32 game, PackedState memory state) = _read(packed);
        bool inTrace = state.phase() == Phase.PICK_VALUE;
        _check(state, inTrace ? Phase.PICK_VALUE : Phase.PICK_LEAF);
        uint256 levels = _levels(state, inTrace);
        uint256 count = MerkleTree.frontierSize(state.leaves(), state.level(), state.index(), levels);
        bool isValue = inTrace && state.level() == levels;
        bytes32 hash = isValue ? MerkleTree.leafHash(node) : node;
        if (MerkleTree.climb(hash, position, count, path) != state.node) revert WrongOpening();
        state.node = node;
        state.setLevel(state.level() - levels);
        state.setIndex((state.index() << levels) + position);
        if (isValue) {
            state.setValue(state.index());
            state.setIndex(0);
        }
        _leave(game, state, _below(state, inTrace));
    }

    /// @inheritdoc IDisputeGame
    function proveOutput(PackedState calldata packed, Receipt calldata receipt, OutputProof calldata) external {
        _settle(address(referee), packed, receipt, Phase.PICK_VALUE);
    }

    /// @inheritdoc IDisputeGame
    function proveInput(PackedState calldata packed, Receipt calldata receipt, bytes32, bytes32[] calldata) external {
        _settle(address(referee), packed, receipt, Phase.PROVE_SOURCE);
    }

    /// @inheritdoc IDisputeGame
    function proveConstant(PackedState calldata packed, Receipt calldata receipt, OpenedRecord calldata) external {
        _settle(address(referee), packed, receipt, Phase.PROVE_SOURCE);
    }

    // --- the tensor ------------------------------------------------------------------------------

    /// @inheritdoc IDisputeGame
    function revealTensor(PackedState calldata packed, TensorType calldata kind, bytes32[] calldata nodes) external {
        (bytes32 game, PackedState memory state) = _enter(packed, Phase.REVEAL_TENSOR);
        TensorType memory shown = kind;
        (uint256 leaves, uint256 tail) = TensorRoot.leaves(shown);
        state.setLeaves(leaves);
        state.setTail(tail);
        state.setLevel(MerkleTree.depth(leaves));
        uint256 levels = MerkleTree.dataLevels(state.level());
        bytes32 dataRoot = state.frontierRoot(nodes, levels, false);
        if (TensorRoot.root(shown, dataRoot) != state.node) revert WrongOpening();
        state.node = dataRoot;
        state.opened = TensorRoot.shownHash(state.opened, shown);
        emit Typed(game, kind);
        emit Revealed(game, nodes);
        _leave(game, state, levels == 0 ? Phase.REVEAL_LEAVES : Phase.PICK_LEAF);
    }

    /// @inheritdoc IDisputeGame
    function proveType(PackedState calldata packed, Receipt calldata receipt, ShownType calldata, OpenedRecord calldata)
        external
    {
        bool isLeafNext = packed.read().phase() == Phase.PICK_LEAF;
        _settle(address(referee), packed, receipt, isLeafNext ? Phase.PICK_LEAF : Phase.PICK_ELEMENT);
    }

    /// @inheritdoc IDisputeGame
    function revealLeaves(PackedState calldata packed, bytes calldata data) external {
        (bytes32 game, PackedState memory state) = _enter(packed, Phase.REVEAL_LEAVES);
        uint256 count = MerkleTree.frontierSize(state.leaves(), state.level(), state.index(), state.level());
        bool hasLast = (state.index() << state.level()) + count == state.leaves();
        uint256 expected = (count - 1) * MerkleTree.LEAF_BYTES + (hasLast ? state.tail() : MerkleTree.LEAF_BYTES);
        if (data.length != expected) revert WrongCount(data.length, expected);
        if (MerkleTree.hashUpData(data, MerkleTree.LEAF_BYTES, 0) != state.node) revert WrongOpening();
        emit Posted(game, data);
        _leave(game, state, Phase.PICK_ELEMENT);
    }

    // --- the chain and the step ------------------------------------------------------------------

    /// @inheritdoc IDisputeGame
    function pickElement(PackedState calldata packed, Receipt calldata receipt, ElementPick calldata) external {
        _demandReceipt(packed.receipt, receipt);
        _narrow(packed, Phase.PICK_ELEMENT);
    }

    /// @inheritdoc IDisputeGame
    function revealLanes(PackedState calldata packed, bytes calldata lanes) external {
        emit Posted(_narrow(packed, Phase.REVEAL_LANES), lanes);
    }

    /// @inheritdoc IDisputeGame
    function pickLane(PackedState calldata packed, uint8, bytes calldata) external {
        _narrow(packed, Phase.PICK_LANE);
    }

    /// @inheritdoc IDisputeGame
    function revealStates(PackedState calldata packed, bytes calldata states) external {
        emit Posted(_narrow(packed, Phase.REVEAL_STATES), states);
    }

    /// @inheritdoc IDisputeGame
    function pickStep(PackedState calldata packed, StepPick calldata) external {
        _narrow(packed, Phase.PICK_STEP);
    }

    /// @inheritdoc IDisputeGame
    function prove(PackedState calldata packed, Receipt calldata receipt, Work calldata, Evidence calldata) external {
        _settle(judge, packed, receipt, Phase.PROVE);
    }

    /// @inheritdoc IDisputeGame
    function proveElement(
        PackedState calldata packed,
        Receipt calldata receipt,
        ElementPick calldata,
        Evidence calldata
    ) external {
        _settle(judge, packed, receipt, Phase.PICK_ELEMENT);
    }

    /// @inheritdoc IDisputeGame
    function proveStep(
        PackedState calldata packed,
        Receipt calldata receipt,
        StepPick calldata,
        Work calldata,
        Evidence calldata
    ) external {
        _settle(judge, packed, receipt, Phase.PICK_STEP);
    }

    /// @inheritdoc IDisputeGame
    function proveFinish(
        PackedState calldata packed,
        Receipt calldata receipt,
        bytes calldata,
        Work calldata,
        Evidence calldata
    ) external {
        _settle(judge, packed, receipt, Phase.PICK_LANE);
    }

    // --- the end ---------------------------------------------------------------------------------

    /// @inheritdoc IDisputeGame
    function timeout(PackedState calldata packed, Receipt calldata receipt) external {
        (bytes32 game, PackedState memory state) = _read(packed);
        _demandReceipt(state.receipt, receipt);
        bool isProviders = Narrowing.isProviders(state.phase());
        uint256 deadline = state.since() + (isProviders ? state.providerLeft() : state.challengerLeft());
        if (block.timestamp <= deadline) revert NotYetOver(deadline);
        if (isProviders) _convict(game, state, receipt);
        else _acquit(game, state, receipt);
    }

    /// @inheritdoc IDisputeGame
    function void(PackedState calldata packed) external {
        (bytes32 game, PackedState memory state) = _read(packed);
        if (!verdicts[state.receipt].convicted) revert NothingWrong();
        _voidGame(game, state);
    }

    // --- money -----------------------------------------------------------------------------------

    /// @inheritdoc IDisputeGame
    function deposit(uint256 amount) external {
        credits[msg.sender] += amount;
        emit Deposited(msg.sender, amount);
        token.safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @inheritdoc IDisputeGame
    function withdraw(uint256 amount) external {
        uint256 credit = credits[msg.sender];
        if (amount > credit) revert InsufficientCredit(amount, credit);
        credits[msg.sender] = credit - amount;
        emit Withdrawn(msg.sender, amount);
        _pay(msg.sender, amount);
    }

    /// @inheritdoc IDisputeGame
    function compensate(Receipt calldata receipt) external returns (uint256 amount) {
        bytes32 hash = keccak256(abi.encode(receipt));
        amount = verdicts[hash].share;
        if (amount == 0) revert NothingOwed(hash);
        verdicts[hash].share = 0;
        emit Compensated(hash, receipt.client, amount);
        _pay(receipt.client, amount);
    }

    /// @inheritdoc IDisputeGame
    function convicted(bytes32 receipt) external view returns (bool) {
        return verdicts[receipt].convicted;
    }

    // --- parts -----------------------------------------------------------------------------------

    function _gameOf(bytes32 receipt, address challenger) private pure returns (bytes32) {
        return keccak256(abi.encode(receipt, challenger));
    }

    function _read(PackedState calldata packed) private view returns (bytes32 game, PackedState memory state) {
        state = packed.read();
        game = _gameOf(state.receipt, state.challenger);
        if (games[game] != state.hash()) revert WrongState(game);
    }

    function _enter(PackedState calldata packed, Phase phase)
        private
        view
        returns (bytes32 game, PackedState memory state)
    {
        (game, state) = _read(packed);
        _check(state, phase);
    }

    /// Whether it is that phase, and the sender's move, in time; stops the sender's clock and starts the other's.
    function _check(PackedState memory state, Phase phase) private view {
        if (state.phase() != phase) revert WrongPhase(state.phase());
        uint256 used = block.timestamp - state.since();
        if (Narrowing.isProviders(phase)) {
            if (msg.sender != state.defender) revert NotYourMove(msg.sender);
            if (used > state.providerLeft()) revert TimeOver();
            state.setProviderLeft(state.providerLeft() - used);
        } else {
            if (msg.sender != state.challenger) revert NotYourMove(msg.sender);
            if (used > state.challengerLeft()) revert TimeOver();
            state.setChallengerLeft(state.challengerLeft() - used);
        }
        state.setSince(block.timestamp);
    }

    function _leave(bytes32 game, PackedState memory state, Phase next) private {
        state.setPhase(next);
        games[game] = state.hash();
        bytes32 moved = Moved.selector;
        assembly ("memory-safe") {
            log2(state, 256, moved, game) // emit Moved(game, state), whose words lie there already
        }
    }

    function _levels(PackedState memory state, bool inTrace) private pure returns (uint256) {
        return inTrace ? MerkleTree.roundLevels(state.level()) : MerkleTree.dataLevels(state.level());
    }

    function _below(PackedState memory state, bool inTrace) private pure returns (Phase) {
        if (!inTrace) return MerkleTree.dataLevels(state.level()) == 0 ? Phase.REVEAL_LEAVES : Phase.REVEAL_NODES;
        if (state.level() > 0) return Phase.REVEAL_VALUES;
        return state.value() < state.inputs() + state.constants() ? Phase.PROVE_SOURCE : Phase.REVEAL_TENSOR;
    }

    function _signer(Receipt calldata receipt, bytes calldata signature) private view returns (address signer) {
        ECDSA.RecoverError problem;
        (signer, problem,) = ECDSA.tryRecover(staking.receiptDigest(receipt), signature);
        if (problem != ECDSA.RecoverError.NoError || !staking.isHotKey(receipt.provider, signer, receipt.time)) {
            revert NotSigned();
        }
    }

    function _readHeader(PackedState memory state, Receipt calldata receipt, OpenedRecord calldata header)
        private
        view
    {
        (uint256 numerics, uint256 inputs, uint256 constants, uint256 instructions, uint256 outputs) =
            header.record.counts();
        state.setCounts(inputs, constants, instructions, outputs);
        uint256 values = state.values();
        if (numerics != receipt.numerics || values == 0 || values >> 32 != 0 || outputs == 0) revert NoProgram();
        bytes32 leaf = MerkleTree.leafHash(header.record);
        if (MerkleTree.climb(leaf, 0, state.records(), header.path) != receipt.program) revert NoProgram();
    }

    /// Hashes the words as they were sent: unclean ones have another hash than the receipt of the opening.
    function _demandReceipt(bytes32 hash, Receipt calldata receipt) private pure {
        bytes32 found;
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, receipt, 416)
            found := keccak256(free, 416)
        }
        if (found != hash) revert WrongReceipt();
    }

    function _narrow(PackedState calldata packed, Phase phase) private returns (bytes32 game) {
        PackedState memory state;
        (game, state) = _enter(packed, phase);
        PackedState memory narrowed = PackedGame.read(_ask(address(referee)));
        Phase next = narrowed.phase();
        narrowed.progress = state.progress;
        _leave(game, narrowed, next);
    }

    function _settle(address court, PackedState calldata packed, Receipt calldata receipt, Phase phase) private {
        (bytes32 game, PackedState memory state) = _enter(packed, phase);
        _demandReceipt(state.receipt, receipt);
        if (!abi.decode(_ask(court), (bool))) revert NothingWrong();
        _convict(game, state, receipt);
    }

    /// Referee and judge have functions of the same signatures: they are sent the very call that we got.
    function _ask(address court) private view returns (bytes memory answer) {
        bool ok;
        (ok, answer) = court.staticcall(msg.data);
        if (ok) return answer;
        assembly ("memory-safe") {
            revert(add(answer, 32), mload(answer))
        }
    }

    function _convict(bytes32 game, PackedState memory state, Receipt calldata receipt) private {
        Verdict storage verdict = verdicts[state.receipt];
        if (verdict.convicted || !Sentence.isInPower(staking)) return _voidGame(game, state);
        delete games[game];
        (uint256 taken, uint256 award, uint256 share) =
            Sentence.take(staking, PENALTY, receipt.provider, receipt.client);
        (verdict.convicted, verdict.share) = (true, uint128(share)); // less than the token's supply
        credits[state.challenger] += BOND + award;
        emit Convicted(game, receipt.provider, state.challenger, taken, award, share);
    }

    function _acquit(bytes32 game, PackedState memory state, Receipt calldata receipt) private {
        if (verdicts[state.receipt].convicted) return _voidGame(game, state);
        delete games[game];
        emit Acquitted(game, receipt.provider, state.challenger);
        uint256 half = BOND / 2; // the rest is burned, so that nobody accuses for nothing
        _pay(receipt.provider, half);
        token.burn(BOND - half);
    }

    function _voidGame(bytes32 game, PackedState memory state) private {
        delete games[game];
        credits[state.challenger] += BOND;
        emit Voided(game);
    }

    /// From the sender's credit; what is missing, from his tokens.
    function _takeBond() private {
        uint256 credit = credits[msg.sender];
        if (credit >= BOND) {
            credits[msg.sender] = credit - BOND;
            return;
        }
        if (credit > 0) credits[msg.sender] = 0;
        token.safeTransferFrom(msg.sender, address(this), BOND - credit);
    }

    /// What was slashed waits at the staking contract until tokens are short: a bond out of an award is to be burned, too.
    function _pay(address to, uint256 amount) private {
        if (token.balanceOf(address(this)) < amount + BOND) staking.collect(address(this));
        token.safeTransfer(to, amount);
    }
}
