// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TensorType} from "../types/Claim.sol";
import {
    ElementPick,
    Evidence,
    OpenedRecord,
    OutputProof,
    PackedState,
    Phase,
    ShownType,
    StepPick,
    Work
} from "../types/Game.sol";
import {Receipt} from "../types/Receipt.sol";
import {IAIVMToken} from "./IAIVMToken.sol";
import {IReferee} from "./IReferee.sol";
import {IStaking} from "./IStaking.sol";

/// @title Disputes about receipts
/// @notice A challenger who has re-executed a job puts up a bond and doubts the receipt. The provider commits to the trace
/// of his execution: the tensor roots of all values. The challenger leads down that tree to the first value that is
/// wrong, down the value's data to an element, along the element's chain to one scalar step, which `IOneStep` computes.
///
/// A move that does not verify reverts, and nothing has happened: nobody is convicted by what the other side says. Who
/// has used up his time loses, and anybody may say so (`timeout`). One slot per game holds the hash of its state; moves
/// bring the state with them, and the event `Moved` shows the next one. All that a provider posts is in events too, so
/// it can be answered whatever way it was sent. `aivm.dispute.game` is the same state machine in Python.
///
/// Disputable are receipts of the tiers 1 (optimistic) and 2 (redundant) whose program is a tensor program.
/// Invariant: the token balance is at least the bonds of all open games.
interface IDisputeGame {
    event Opened(bytes32 indexed game, address indexed provider, address indexed challenger, Receipt receipt);
    event Moved(bytes32 indexed game, PackedState state);
    /// @notice What the provider posted: nodes (or tensor roots), ...
    event Revealed(bytes32 indexed game, bytes32[] nodes);
    /// @notice ... the type of a value, ...
    event Typed(bytes32 indexed game, TensorType kind);
    /// @notice ... roots of outputs, ...
    event Committed(bytes32 indexed game, bytes32[] outputs);
    /// @notice ... or the bytes of leaves, or the words of lanes or states.
    event Posted(bytes32 indexed game, bytes data);
    /// @notice The receipt is false. Of what was `taken` from the stake the challenger was credited `award`, with his bond;
    /// the client's `share` waits for `compensate`; the rest is burned.
    event Convicted(
        bytes32 indexed game,
        address indexed provider,
        address indexed challenger,
        uint256 taken,
        uint256 award,
        uint256 share
    );
    /// @notice The challenger ran out of time and lost the bond.
    event Acquitted(bytes32 indexed game, address indexed provider, address indexed challenger);
    /// @notice The receipt had been convicted in another game, or governance has retired this contract: the bond went
    /// home.
    event Voided(bytes32 indexed game);

    event Deposited(address indexed account, uint256 amount);
    event Withdrawn(address indexed account, uint256 amount);
    event Compensated(bytes32 indexed receipt, address indexed client, uint256 amount);

    error OutOfRange(uint256 value, uint256 least, uint256 most);
    error NotDisputable(uint8 tier);
    /// @notice The receipt is dated ahead, or its time to be disputed is over.
    error OutsideWindow(uint64 time);
    error AlreadyConvicted(bytes32 receipt);
    error GameExists(bytes32 game);
    error NotSigned();
    /// @notice The header is not that of a program with the receipt's numerics, or not under the receipt's program root.
    error NoProgram();
    /// @notice There is no such game, or it is in another state.
    error WrongState(bytes32 game);
    error WrongPhase(Phase phase);
    error NotYourMove(address sender);
    error TimeOver();
    error NotYetOver(uint256 deadline);
    error WrongReceipt();
    /// @notice What was opened is not under the root, or not in the place, that it should be.
    error WrongOpening();
    /// @notice Nodes, words or bytes are not as many as they should be.
    error WrongCount(uint256 found, uint256 expected);
    /// @notice The last of the states is not the one in dispute.
    error WrongEnd();
    /// @notice More than one step is left.
    error NotNarrowed();
    /// @notice The proof shows nothing but that all is well.
    error NothingWrong();
    error InsufficientCredit(uint256 asked, uint256 credit);
    /// @notice The receipt was not convicted, or its client has been paid.
    error NothingOwed(bytes32 receipt);

    /// @notice Doubts a receipt; takes the bond from the sender's credit (what is missing, from his tokens: that needs an
    /// allowance), and holds the provider's stake.
    /// @param header Record 0 of the receipt's program, with its path.
    function open(Receipt calldata receipt, bytes calldata signature, OpenedRecord calldata header)
        external
        returns (bytes32 game);

    /// @notice Provider: the roots of the receipt's outputs, and the top frontier of the trace tree.
    function commit(PackedState calldata packed, bytes32[] calldata outputs, bytes32[] calldata nodes) external;

    /// @notice Provider: the frontier below the node in dispute; at the leaves of the trace, the tensor roots.
    function reveal(PackedState calldata packed, bytes32[] calldata nodes) external;

    /// @notice Challenger: one node of the frontier (at the leaves of the trace, a tensor root).
    function pick(PackedState calldata packed, uint32 position, bytes32 node, bytes32[] calldata path) external;

    /// @notice Challenger: the receipt's output is not the value that the trace has for it.
    function proveOutput(PackedState calldata packed, Receipt calldata receipt, OutputProof calldata proof) external;

    /// @notice Challenger: the receipt's input has another root than the trace's.
    function proveInput(PackedState calldata packed, Receipt calldata receipt, bytes32 root, bytes32[] calldata path)
        external;

    /// @notice Challenger: the program's constant has another root than the trace's.
    function proveConstant(PackedState calldata packed, Receipt calldata receipt, OpenedRecord calldata constant_)
        external;

    /// @notice Provider: the type of the value in dispute, and the top frontier of its data tree.
    function revealTensor(PackedState calldata packed, TensorType calldata kind, bytes32[] calldata nodes) external;

    /// @notice Challenger: the program gives the value another type than the provider.
    function proveType(
        PackedState calldata packed,
        Receipt calldata receipt,
        ShownType calldata shown,
        OpenedRecord calldata instruction
    ) external;

    /// @notice Provider: the bytes of all data leaves below the node in dispute.
    function revealLeaves(PackedState calldata packed, bytes calldata data) external;

    /// @notice Challenger: one element of the leaves; opens the instruction that makes it, and its operands.
    function pickElement(PackedState calldata packed, Receipt calldata receipt, ElementPick calldata choice) external;

    /// @notice Provider: the 16 lanes of a float sum after its last step.
    function revealLanes(PackedState calldata packed, bytes calldata lanes) external;

    /// @notice Challenger: one of the lanes.
    function pickLane(PackedState calldata packed, uint8 lane, bytes calldata lanes) external;

    /// @notice Provider: the states at the ends of the segments into which the steps in dispute are cut.
    function revealStates(PackedState calldata packed, bytes calldata states) external;

    /// @notice Challenger: one of the segments.
    function pickStep(PackedState calldata packed, StepPick calldata choice) external;

    /// @notice Challenger: the step that is left gives something else than the provider says.
    function prove(
        PackedState calldata packed,
        Receipt calldata receipt,
        Work calldata work,
        Evidence calldata evidence
    ) external;

    /// @notice `pickElement` and `prove` in one.
    function proveElement(
        PackedState calldata packed,
        Receipt calldata receipt,
        ElementPick calldata choice,
        Evidence calldata evidence
    ) external;

    /// @notice `pickStep` and `prove` in one.
    function proveStep(
        PackedState calldata packed,
        Receipt calldata receipt,
        StepPick calldata choice,
        Work calldata work,
        Evidence calldata evidence
    ) external;

    /// @notice Challenger: the lanes of a float sum do not add up to its element.
    function proveFinish(
        PackedState calldata packed,
        Receipt calldata receipt,
        bytes calldata lanes,
        Work calldata work,
        Evidence calldata evidence
    ) external;

    /// @notice Ends a game whose mover has used up his time. Anyone.
    function timeout(PackedState calldata packed, Receipt calldata receipt) external;

    /// @notice Ends a game about a receipt that another game has convicted: the bond goes home. Anyone.
    function void(PackedState calldata packed) external;

    /// @notice Adds to the sender's credit, from which bonds are taken; needs an allowance.
    function deposit(uint256 amount) external;

    /// @notice Pays the sender out of his credit.
    function withdraw(uint256 amount) external;

    /// @notice Pays the client of a convicted receipt his part. Anyone.
    function compensate(Receipt calldata receipt) external returns (uint256 amount);

    /// @notice What an account can withdraw, or open games with.
    function credits(address account) external view returns (uint256);

    /// @notice Whether a receipt has been doubted and convicted, and what its client has not been paid yet.
    function verdicts(bytes32 receipt) external view returns (bool doubted, bool convicted, uint128 share);

    /// @notice keccak256 of the packed state of a game; zero if there is none.
    function games(bytes32 game) external view returns (bytes32);

    /// @notice Whether a receipt (keccak256 of its ABI encoding) has been convicted.
    function convicted(bytes32 receipt) external view returns (bool);

    function token() external view returns (IAIVMToken);
    function staking() external view returns (IStaking);
    function referee() external view returns (IReferee);

    /// @notice For how many seconds after its time a receipt can be disputed; shorter than the unbonding delay.
    function WINDOW() external view returns (uint64);
    /// @notice Seconds that each player has for all moves of a game.
    function CLOCK() external view returns (uint32);
    /// @notice What a challenger puts up.
    function BOND() external view returns (uint256);
    /// @notice What a conviction takes from the stake.
    function PENALTY() external view returns (uint256);
}
