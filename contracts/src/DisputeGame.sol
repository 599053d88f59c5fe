// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";
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
import {ElementPick, Evidence, GameState, OpenedRecord, OutputProof, PackedState, Phase} from "./types/Game.sol";
import {Receipt} from "./types/Receipt.sol";

/// @title DisputeGame
/// @dev Every move is: `_enter` (state, phase, clock, sender), a rule, and `_leave`, `_convict` or `_acquit`. Time and
/// money are this contract's affair; whether a proof holds, and the rules of the last rounds, are the referee's.
contract DisputeGame is IDisputeGame, ReentrancyGuard {
    using GameRecord for bytes;
    using Openings for GameState;
    using PackedGame for GameState;
    using PackedGame for PackedState;
    using SafeERC20 for IAIVMToken;

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
    mapping(bytes32 receipt => bool) public convicted;

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
        (WINDOW, CLOCK, BOND, PENALTY) = (window, clock, bond, penalty);
    }

    // --- the beginning ---------------------------------------------------------------------------

    /// @inheritdoc IDisputeGame
    function open(Receipt calldata receipt, bytes calldata signature, OpenedRecord calldata header)
        external
        nonReentrant
        returns (bytes32 game)
    {
        if (receipt.tier != OPTIMISTIC && receipt.tier != REDUNDANT) revert NotDisputable(receipt.tier);
        if (receipt.time > block.timestamp || receipt.time + WINDOW < block.timestamp) {
            revert OutsideWindow(receipt.time);
        }
        GameState memory state;
        state.receipt = keccak256(abi.encode(receipt));
        state.challenger = msg.sender;
        if (convicted[state.receipt]) revert AlreadyConvicted(state.receipt);
        game = _gameOf(state.receipt, msg.sender);
        if (games[game] != 0) revert GameExists(game);
        state.defender = _signer(receipt, signature);
        _readHeader(state, receipt, header);
        (state.challengerLeft, state.providerLeft, state.since) = (CLOCK, CLOCK, block.timestamp);
        state.lane = Narrowing.NO_LANE;
        emit Opened(game, receipt.provider, msg.sender, receipt);
        _leave(game, state, Phase.COMMIT);
        staking.hold(receipt.provider, uint64(block.timestamp) + 2 * uint64(CLOCK) + Sentence.SETTLING);
        token.safeTransferFrom(msg.sender, address(this), BOND);
    }

    // --- the trace -------------------------------------------------------------------------------

    /// @inheritdoc IDisputeGame
    function commit(
        PackedState calldata packed,
        Receipt calldata receipt,
        bytes32[] calldata outputs,
        bytes32[] calldata nodes
    ) external {
        (bytes32 game, GameState memory state) = _read(packed);
        if (msg.sender == receipt.provider) state.defender = msg.sender; // its receipt is checked below
        _check(state, Phase.COMMIT);
        _demandReceipt(state, receipt);
        if (outputs.length != state.outputs) revert WrongCount(outputs.length, state.outputs);
        if (MerkleTree.hashUp(outputs, true) != receipt.outputs) revert WrongOpening();
        state.leaves = state.values();
        state.level = MerkleTree.depth(state.leaves);
        state.trace = state.frontierRoot(nodes, state.level <= MerkleTree.MAX_LEVELS);
        state.node = state.trace;
        emit Committed(game, outputs);
        emit Revealed(game, nodes);
        _leave(game, state, Phase.PICK_VALUE);
    }

    /// @inheritdoc IDisputeGame
    function reveal(PackedState calldata packed, bytes32[] calldata nodes) external {
        (bytes32 game, GameState memory state) = _read(packed);
        bool inTrace = state.phase == Phase.REVEAL_VALUES;
        _check(state, inTrace ? Phase.REVEAL_VALUES : Phase.REVEAL_NODES);
        bool areValues = inTrace && state.level <= MerkleTree.MAX_LEVELS;
        if (state.frontierRoot(nodes, areValues) != state.node) revert WrongOpening();
        emit Revealed(game, nodes);
        _leave(game, state, inTrace ? Phase.PICK_VALUE : Phase.PICK_LEAF);
    }

    /// @inheritdoc IDisputeGame
    function pick(PackedState calldata packed, uint32 position, bytes32 node, bytes32[] calldata path) external {
        (bytes32 game, GameState memory state) = _read(packed);
        bool inTrace = state.phase == Phase.PICK_VALUE;
        _check(state, inTrace ? Phase.PICK_VALUE : Phase.PICK_LEAF);
        uint256 levels = MerkleTree.roundLevels(state.level);
        uint256 count = MerkleTree.frontierSize(state.leaves, state.level, state.index, levels);
        bool isValue = inTrace && state.level == levels;
        bytes32 hash = isValue ? MerkleTree.leafHash(abi.encode(node)) : node;
        if (MerkleTree.climb(hash, position, count, path) != state.node) revert WrongOpening();
        state.node = node;
        state.level -= levels;
        state.index = (state.index << levels) + position;
        if (isValue) (state.value, state.index) = (state.index, 0);
        _leave(game, state, _below(state, inTrace));
    }

    /// @inheritdoc IDisputeGame
    function proveOutput(PackedState calldata packed, Receipt calldata receipt, OutputProof calldata)
        external
        nonReentrant
    {
        _settle(packed, receipt, Phase.PICK_VALUE);
    }

    /// @inheritdoc IDisputeGame
    function proveInput(PackedState calldata packed, Receipt calldata receipt, bytes32, bytes32[] calldata)
        external
        nonReentrant
    {
        _settle(packed, receipt, Phase.PROVE_SOURCE);
    }

    /// @inheritdoc IDisputeGame
    function proveConstant(PackedState calldata packed, Receipt calldata receipt, OpenedRecord calldata)
        external
        nonReentrant
    {
        _settle(packed, receipt, Phase.PROVE_SOURCE);
    }

    // --- the tensor ------------------------------------------------------------------------------

    /// @inheritdoc IDisputeGame
    function revealTensor(
        PackedState calldata packed,
        Receipt calldata receipt,
        OpenedRecord calldata,
        bytes32[] calldata nodes
    ) external {
        if (keccak256(abi.encode(receipt)) != packed.receipt) revert WrongReceipt();
        emit Revealed(_narrow(packed, Phase.REVEAL_TENSOR), nodes);
    }

    /// @inheritdoc IDisputeGame
    function revealLeaf(PackedState calldata packed, bytes calldata data) external {
        emit Posted(_narrow(packed, Phase.REVEAL_LEAF), data);
    }

    // --- the chain and the step ------------------------------------------------------------------

    /// @inheritdoc IDisputeGame
    function pickElement(PackedState calldata packed, ElementPick calldata) external {
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
    function pickStep(PackedState calldata packed, uint32, bytes calldata) external {
        _narrow(packed, Phase.PICK_STEP);
    }

    /// @inheritdoc IDisputeGame
    function prove(PackedState calldata packed, Receipt calldata receipt, bytes calldata, Evidence calldata)
        external
        nonReentrant
    {
        _settle(packed, receipt, Phase.PROVE);
    }

    /// @inheritdoc IDisputeGame
    function proveElement(
        PackedState calldata packed,
        Receipt calldata receipt,
        ElementPick calldata,
        Evidence calldata
    ) external nonReentrant {
        _settle(packed, receipt, Phase.PICK_ELEMENT);
    }

    /// @inheritdoc IDisputeGame
    function proveStep(
        PackedState calldata packed,
        Receipt calldata receipt,
        uint32,
        bytes calldata,
        bytes calldata,
        Evidence calldata
    ) external nonReentrant {
        _settle(packed, receipt, Phase.PICK_STEP);
    }

    /// @inheritdoc IDisputeGame
    function proveFinish(
        PackedState calldata packed,
        Receipt calldata receipt,
        bytes calldata,
        bytes calldata,
        Evidence calldata
    ) external nonReentrant {
        _settle(packed, receipt, Phase.PICK_LANE);
    }

    // --- the end ---------------------------------------------------------------------------------

    /// @inheritdoc IDisputeGame
    function timeout(PackedState calldata packed, Receipt calldata receipt) external nonReentrant {
        (bytes32 game, GameState memory state) = _read(packed);
        _demandReceipt(state, receipt);
        bool isProviders = Narrowing.isProviders(state.phase);
        uint256 deadline = state.since + (isProviders ? state.providerLeft : state.challengerLeft);
        if (block.timestamp <= deadline) revert NotYetOver(deadline);
        if (isProviders) _convict(game, state, receipt);
        else _acquit(game, state, receipt);
    }

    /// @inheritdoc IDisputeGame
    function void(PackedState calldata packed) external nonReentrant {
        (bytes32 game, GameState memory state) = _read(packed);
        if (!convicted[state.receipt]) revert NothingWrong();
        _voidGame(game, state);
    }

    // --- parts -----------------------------------------------------------------------------------

    function _gameOf(bytes32 receipt, address challenger) private pure returns (bytes32) {
        return keccak256(abi.encode(receipt, challenger));
    }

    function _read(PackedState calldata packed) private view returns (bytes32 game, GameState memory state) {
        game = _gameOf(packed.receipt, packed.challenger);
        if (games[game] != keccak256(abi.encode(packed))) revert WrongState(game);
        state = packed.unpack();
    }

    function _enter(PackedState calldata packed, Phase phase)
        private
        view
        returns (bytes32 game, GameState memory state)
    {
        (game, state) = _read(packed);
        _check(state, phase);
    }

    /// Whether it is that phase, and the sender's move, in time; stops the sender's clock and starts the other's.
    function _check(GameState memory state, Phase phase) private view {
        if (state.phase != phase) revert WrongPhase(state.phase);
        uint256 used = block.timestamp - state.since;
        if (Narrowing.isProviders(phase)) {
            if (msg.sender != state.defender) revert NotYourMove(msg.sender);
            if (used > state.providerLeft) revert TimeOver();
            state.providerLeft -= used;
        } else {
            if (msg.sender != state.challenger) revert NotYourMove(msg.sender);
            if (used > state.challengerLeft) revert TimeOver();
            state.challengerLeft -= used;
        }
        state.since = block.timestamp;
    }

    function _leave(bytes32 game, GameState memory state, Phase next) private {
        state.phase = next;
        PackedState memory packed = state.pack();
        games[game] = keccak256(abi.encode(packed));
        emit Moved(game, packed);
    }

    function _below(GameState memory state, bool inTrace) private pure returns (Phase) {
        if (state.level > 0) return inTrace ? Phase.REVEAL_VALUES : Phase.REVEAL_NODES;
        if (!inTrace) return Phase.REVEAL_LEAF;
        return state.value < state.inputs + state.constants ? Phase.PROVE_SOURCE : Phase.REVEAL_TENSOR;
    }

    function _signer(Receipt calldata receipt, bytes calldata signature) private view returns (address signer) {
        ECDSA.RecoverError problem;
        (signer, problem,) = ECDSA.tryRecover(staking.receiptDigest(receipt), signature);
        if (problem != ECDSA.RecoverError.NoError || !staking.isHotKey(receipt.provider, signer, receipt.time)) {
            revert NotSigned();
        }
    }

    function _readHeader(GameState memory state, Receipt calldata receipt, OpenedRecord calldata header) private view {
        uint256 numerics;
        (numerics, state.inputs, state.constants, state.instructions, state.outputs) = header.record.counts();
        if (numerics != receipt.numerics || state.values() == 0 || state.outputs == 0) revert NoProgram();
        bytes32 leaf = MerkleTree.leafHash(header.record);
        if (MerkleTree.climb(leaf, 0, state.records(), header.path) != receipt.program) revert NoProgram();
    }

    function _demandReceipt(GameState memory state, Receipt calldata receipt) private pure {
        if (keccak256(abi.encode(receipt)) != state.receipt) revert WrongReceipt();
    }

    function _narrow(PackedState calldata packed, Phase phase) private returns (bytes32 game) {
        GameState memory state;
        (game, state) = _enter(packed, phase);
        PackedState memory narrowed;
        (state.phase, narrowed) = abi.decode(_askReferee(), (Phase, PackedState));
        narrowed.progress = state.pack().progress;
        games[game] = keccak256(abi.encode(narrowed));
        emit Moved(game, narrowed);
    }

    function _settle(PackedState calldata packed, Receipt calldata receipt, Phase phase) private {
        (bytes32 game, GameState memory state) = _enter(packed, phase);
        _demandReceipt(state, receipt);
        if (!abi.decode(_askReferee(), (bool))) revert NothingWrong();
        _convict(game, state, receipt);
    }

    /// The referee has functions of the same signatures: it is sent the very call that we got.
    function _askReferee() private view returns (bytes memory answer) {
        bool ok;
        (ok, answer) = address(referee).staticcall(msg.data);
        if (ok) return answer;
        assembly ("memory-safe") {
            revert(add(answer, 32), mload(answer))
        }
    }

    function _convict(bytes32 game, GameState memory state, Receipt calldata receipt) private {
        if (convicted[state.receipt] || !Sentence.isInPower(staking)) return _voidGame(game, state);
        convicted[state.receipt] = true;
        delete games[game];
        (uint256 taken, uint256 award) = Sentence.convict(staking, token, PENALTY, receipt.provider, receipt.client);
        emit Convicted(game, receipt.provider, state.challenger, taken);
        token.safeTransfer(state.challenger, BOND + award);
    }

    function _acquit(bytes32 game, GameState memory state, Receipt calldata receipt) private {
        if (convicted[state.receipt]) return _voidGame(game, state);
        delete games[game];
        emit Acquitted(game, receipt.provider, state.challenger);
        Sentence.forfeit(token, BOND, receipt.provider);
    }

    function _voidGame(bytes32 game, GameState memory state) private {
        delete games[game];
        emit Voided(game);
        token.safeTransfer(state.challenger, BOND);
    }
}
