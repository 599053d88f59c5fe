// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DisputeGame} from "../src/DisputeGame.sol";
import {OneStep} from "../src/OneStep.sol";
import {Referee} from "../src/Referee.sol";
import {IDisputeGame} from "../src/interfaces/IDisputeGame.sol";
import {TensorRoot} from "../src/libraries/TensorRoot.sol";
import {TensorType} from "../src/types/Claim.sol";
import {
    ElementPick,
    Evidence,
    Header,
    OpenedLeaf,
    OpenedRecord,
    PackedState,
    Phase,
    Place,
    StepPick,
    Work
} from "../src/types/Game.sol";
import {Receipt} from "../src/types/Receipt.sol";
import {leafOf, nodeOf} from "./support/Hashes.sol";
import {vm} from "./support/Vm.sol";
import {sign} from "./support/Voucher.sol";
import {newNumerics} from "./support/NewNumerics.sol";
import {World} from "./support/World.sol";

/// @notice Games about one small program by hand: the greatest of three floats. The provider says 3, and it is 2.
/// tests/unit/contracts/test_dispute_game.py plays large ones against the state machine in Python.
contract DisputeGameTest is World {
    uint64 private constant WINDOW = 7 days;
    uint32 private constant CLOCK = 1 days;
    uint256 private constant BOND = 100e18;
    uint256 private constant PENALTY = 400e18;
    bytes32 private constant CLAIMED = bytes32(uint256(0x40400000)); // 3.0

    DisputeGame private game;
    PackedState private now_; // as the last `Moved` would show it; rebuilt by the moves below
    bytes[4] private program;
    bytes32[4] private hashes;
    bytes private input = hex"0000803f0000004000000000"; // 1, 2, 0
    bytes private output = hex"00004040"; // 3

    function setUp() public override {
        super.setUp();
        registerProvider();
        Referee referee = new Referee(new OneStep(newNumerics()));
        game = new DisputeGame(staking, referee, WINDOW, CLOCK, BOND, PENALTY);
        bytes32 role = staking.SLASHER_ROLE();
        vm.prank(governance);
        staking.grantRole(role, address(game));
        vm.prank(provider);
        staking.stake(1_000e18);
        give(verifier, 1_000e18, address(game));
        _writeProgram();
    }

    function _writeProgram() private {
        program[0] = _padded(
            abi.encodePacked(
                bytes8(0), "AIVMPROG", uint32(1), uint32(1), uint64(0), uint32(1), uint32(0), uint32(1), uint32(1)
            )
        );
        program[1] = _padded(abi.encodePacked(hex"010001010000", bytes26(0), uint32(3)));
        bytes memory reduce = _padded(abi.encodePacked(hex"120301010100", bytes26(0), uint32(1)));
        (reduce[71], reduce[79], reduce[87]) = (bytes1(uint8(1)), bytes1(uint8(3)), bytes1(uint8(1)));
        program[2] = reduce;
        program[3] = _padded(abi.encodePacked(hex"030000000100", bytes2(0), uint32(1)));
        for (uint256 i = 0; i < 4; ++i) {
            hashes[i] = leafOf(program[i]);
        }
    }

    function _padded(bytes memory start) private pure returns (bytes memory record) {
        record = new bytes(256);
        for (uint256 i = 0; i < start.length; ++i) {
            record[i] = start[i];
        }
    }

    // --- what is claimed -------------------------------------------------------------------------

    function _kind(uint32 elements) private pure returns (TensorType memory kind) {
        kind = TensorType(1, new uint32[](1));
        kind.shape[0] = elements;
    }

    function _inputRoot() private view returns (bytes32) {
        return TensorRoot.root(_kind(3), leafOf(input));
    }

    function _outputRoot() private view returns (bytes32) {
        return TensorRoot.root(_kind(1), leafOf(output));
    }

    function _receipt() private view returns (Receipt memory receipt) {
        receipt.job = JOB;
        receipt.model = MODEL;
        receipt.program = nodeOf(nodeOf(hashes[0], hashes[1]), nodeOf(hashes[2], hashes[3]));
        receipt.inputs = leafOf(abi.encode(_inputRoot()));
        receipt.outputs = leafOf(abi.encode(_outputRoot()));
        (receipt.client, receipt.provider) = (client, provider);
        (receipt.tier, receipt.numerics, receipt.time) = (1, 1, time());
    }

    function _signed(Receipt memory receipt) private view returns (bytes memory) {
        return sign(HOT_KEY, staking.receiptDigest(receipt));
    }

    function _record(uint256 position) private view returns (OpenedRecord memory opened) {
        bytes32[] memory path = new bytes32[](2);
        path[0] = hashes[position ^ 1];
        path[1] = position < 2 ? nodeOf(hashes[2], hashes[3]) : nodeOf(hashes[0], hashes[1]);
        return OpenedRecord(program[position], path);
    }

    function _one(bytes32 word) private pure returns (bytes32[] memory list) {
        list = new bytes32[](1);
        list[0] = word;
    }

    function _roots() private view returns (bytes32[] memory list) {
        list = new bytes32[](2);
        (list[0], list[1]) = (_inputRoot(), _outputRoot());
    }

    // --- moves: each leaves the state that the contract must have in `now_` ------------------------

    function _open(Receipt memory receipt) private returns (bytes32 id) {
        bytes memory signature = _signed(receipt);
        OpenedRecord memory header = _record(0);
        vm.prank(verifier);
        id = game.open(receipt, signature, header);
        now_ = PackedState(keccak256(abi.encode(receipt)), verifier, hotKey, 0, 0, 0, uint256(255) << 72, 0);
        now_.node = receipt.outputs;
        now_.opened = bytes32(uint256(uint160(provider)));
        _expect(id, Phase.COMMIT);
    }

    function _progress(Phase phase) private view returns (uint256) {
        return (uint256(phase) << 232) | (uint256(time()) << 192) | (uint256(CLOCK) << 160) | (uint256(CLOCK) << 128)
            | (uint256(1) << 96) | (uint256(1) << 32) | 1;
    }

    function _expect(bytes32 id, Phase phase) private {
        now_.progress = _progress(phase);
        assertEq(game.games(id), keccak256(abi.encode(now_)), "state");
    }

    function _commit(bytes32 id) private {
        vm.startPrank(hotKey);
        game.commit(now_, _one(_outputRoot()), _roots());
        vm.stopPrank();
        now_.node = _trace();
        now_.opened = now_.node;
        now_.place = (uint256(1) << 208) | (uint256(2) << 144) | (uint256(255) << 72);
        _expect(id, Phase.PICK_VALUE);
    }

    function _pick(bytes32 id) private {
        vm.startPrank(verifier);
        game.pick(now_, 1, _outputRoot(), _one(leafOf(abi.encode(_inputRoot()))));
        vm.stopPrank();
        now_.node = _outputRoot();
        now_.place = (uint256(1) << 216) | (uint256(2) << 144) | (uint256(255) << 72);
        _expect(id, Phase.REVEAL_TENSOR);
    }

    function _revealTensor(bytes32 id) private {
        vm.startPrank(hotKey);
        game.revealTensor(now_, _kind(1), _one(leafOf(output)));
        vm.stopPrank();
        now_.node = leafOf(output);
        now_.opened = _shownHash(1);
        now_.place = (uint256(1) << 216) | (uint256(1) << 144) | (uint256(4) << 128) | (uint256(255) << 72);
        _expect(id, Phase.REVEAL_LEAVES);
        vm.prank(hotKey);
        game.revealLeaves(now_, output);
        _expect(id, Phase.PICK_ELEMENT);
    }

    /// Of the trace, and a float vector.
    function _shownHash(uint32 elements) private view returns (bytes32) {
        return keccak256(abi.encodePacked(_trace(), hex"020101", elements, bytes28(0)));
    }

    function _trace() private view returns (bytes32) {
        return nodeOf(leafOf(abi.encode(_inputRoot())), leafOf(abi.encode(_outputRoot())));
    }

    function _work() private view returns (Work memory work) {
        work.record = program[2];
        work.operands = new Header[](1);
        work.operands[0] = Header(1, 1, bytes32(uint256(3) << 224), leafOf(input));
    }

    function _element() private view returns (ElementPick memory choice) {
        choice.leaf = output;
        choice.trace = _trace();
        choice.work = _work();
        choice.recordPath = _record(2).path;
        choice.operandPaths = new bytes32[][](1);
        choice.operandPaths[0] = _one(leafOf(abi.encode(_outputRoot())));
    }

    function _pickElement(bytes32 id, Receipt memory receipt) private {
        ElementPick memory choice = _element();
        vm.prank(verifier);
        game.pickElement(now_, receipt, choice);
        now_.opened = keccak256(abi.encodePacked(program[2], _inputRoot()));
        now_.place |= 3; // steps
        now_.words = uint256(CLAIMED);
        _expect(id, Phase.REVEAL_STATES);
    }

    /// After 1, after 2, and after 0, where 3 comes from nowhere.
    function _states() private pure returns (bytes memory) {
        return abi.encodePacked(uint32(0x3f800000), uint32(0x40000000), uint32(0x40400000));
    }

    function _revealStates(bytes32 id) private {
        vm.prank(hotKey);
        game.revealStates(now_, _states());
        now_.node = leafOf(_states());
        _expect(id, Phase.PICK_STEP);
    }

    function _segment(uint32 segment) private pure returns (StepPick memory choice) {
        (choice.segment, choice.chunk) = (segment, _states());
    }

    function _evidence(uint64 element) private view returns (Evidence memory evidence) {
        evidence.leaves = new OpenedLeaf[](1);
        evidence.leaves[0] = OpenedLeaf(0, 0, input, new bytes32[](0));
        evidence.reads = new Place[](1);
        evidence.reads[0] = Place(0, element);
    }

    function _untilSteps(Receipt memory receipt) private returns (bytes32 id) {
        id = _open(receipt);
        _commit(id);
        _pick(id);
        _revealTensor(id);
        _pickElement(id, receipt);
        _revealStates(id);
    }

    function _refuse(bytes memory reason) private {
        vm.expectRevert(reason);
    }

    // --- games -----------------------------------------------------------------------------------

    function test_aWrongStepIsConvicted() public {
        Receipt memory receipt = _receipt();
        bytes32 id = _untilSteps(receipt);
        Evidence memory evidence = _evidence(1);
        Work memory work = _work();
        vm.startPrank(verifier);
        _refuse(abi.encodeWithSelector(IDisputeGame.NothingWrong.selector));
        game.proveStep(now_, receipt, _segment(1), work, evidence);
        evidence = _evidence(2);
        uint256 supply = token.totalSupply();
        game.proveStep(now_, receipt, _segment(2), work, evidence);
        assertEq(game.games(id), 0, "over");
        assertTrue(game.convicted(now_.receipt), "convicted");
        assertEq(staking.slashable(provider), 600e18, "slashed");
        assertEq(game.credits(verifier), 100e18 + 160e18, "bond and award");
        _refuse(abi.encodeWithSelector(IDisputeGame.InsufficientCredit.selector, 261e18, 260e18));
        game.withdraw(261e18);
        game.withdraw(260e18);
        vm.stopPrank();
        assertEq(token.balanceOf(verifier), 1_000e18 + 160e18, "bond and award");
        assertEq(supply - token.totalSupply(), 200e18, "burned");
        _compensated(receipt);
        assertEq(token.balanceOf(address(game)), 0, "nothing is left");
        _refuseToOpen(receipt, abi.encodeWithSelector(IDisputeGame.AlreadyConvicted.selector, now_.receipt));
    }

    /// The client gets his part, once.
    function _compensated(Receipt memory receipt) private {
        uint256 before = token.balanceOf(client);
        vm.prank(stranger);
        assertEq(game.compensate(receipt), 40e18, "share");
        assertEq(token.balanceOf(client) - before, 40e18, "paid");
        _refuse(abi.encodeWithSelector(IDisputeGame.NothingOwed.selector, now_.receipt));
        game.compensate(receipt);
    }

    /// Opens with a signature over something else, and expects that refusal.
    function _refuseToOpen(Receipt memory receipt, bytes memory reason) private {
        bytes memory signature = sign(HOT_KEY, keccak256("not this"));
        OpenedRecord memory header = _record(0);
        _refuse(reason);
        vm.prank(verifier);
        game.open(receipt, signature, header);
    }

    function test_aSilentChallengerPaysTheProvider() public {
        Receipt memory receipt = _receipt();
        bytes32 id = _open(receipt);
        _commit(id);
        uint256 before = token.balanceOf(provider);
        pass(CLOCK);
        _refuse(abi.encodeWithSelector(IDisputeGame.NotYetOver.selector, uint256(time())));
        game.timeout(now_, receipt);
        pass(1);
        _refuse(abi.encodeWithSelector(IDisputeGame.TimeOver.selector));
        vm.prank(verifier);
        game.pick(now_, 1, 0, _one(0));
        vm.prank(stranger);
        game.timeout(now_, receipt);
        assertEq(token.balanceOf(provider) - before, BOND / 2, "half of the bond");
        assertEq(token.balanceOf(address(game)), 0, "the rest is burned");
        assertEq(game.games(id), 0, "over");
    }

    function test_aSilentProviderIsConvictedAndOtherGamesGoHome() public {
        Receipt memory receipt = _receipt();
        give(stranger, 1_000e18, address(game));
        bytes memory signature = _signed(receipt);
        OpenedRecord memory header = _record(0);
        vm.prank(stranger);
        game.open(receipt, signature, header);
        bytes32 id = _open(receipt);
        PackedState memory other = now_;
        other.challenger = stranger;
        _refuse(abi.encodeWithSelector(IDisputeGame.NothingWrong.selector));
        game.void(other);
        pass(CLOCK + 1);
        game.timeout(now_, receipt);
        assertEq(game.games(id), 0, "over");
        assertEq(staking.slashable(provider), 600e18, "slashed once");
        game.timeout(other, receipt);
        assertEq(staking.slashable(provider), 600e18, "not twice");
        vm.prank(stranger);
        game.withdraw(BOND);
        assertEq(token.balanceOf(stranger), 1_000e18, "bond came home");
        assertEq(token.balanceOf(address(game)), BOND, "the other's");
    }

    function test_stakeIsHeldDuringAGame() public {
        vm.prank(provider);
        staking.requestUnbond(1_000e18);
        pass(6 days);
        _open(_receipt());
        assertEq(uint256(staking.getProvider(provider).heldUntil), time() + 3 days, "held");
    }

    // --- refusals --------------------------------------------------------------------------------

    function test_openRefuses() public {
        Receipt memory receipt = _receipt();
        receipt.tier = 3;
        _refuseToOpen(receipt, abi.encodeWithSelector(IDisputeGame.NotDisputable.selector, 3));
        receipt = _receipt();
        receipt.time += 1;
        _refuseToOpen(receipt, abi.encodeWithSelector(IDisputeGame.OutsideWindow.selector, receipt.time));
        receipt = _receipt();
        _refuseToOpen(receipt, abi.encodeWithSelector(IDisputeGame.NotSigned.selector));
        bytes memory signature = _signed(receipt);
        OpenedRecord memory header = _record(0);
        header.path[0] = 0;
        _refuse(abi.encodeWithSelector(IDisputeGame.NoProgram.selector));
        vm.prank(verifier);
        game.open(receipt, signature, header);
        bytes32 id = _open(receipt);
        header = _record(0);
        _refuse(abi.encodeWithSelector(IDisputeGame.GameExists.selector, id));
        vm.prank(verifier);
        game.open(receipt, signature, header);
    }

    function test_movesRefuse() public {
        Receipt memory receipt = _receipt();
        bytes32 id = _open(receipt);
        bytes32[] memory roots = _roots();
        bytes32[] memory outputs = _one(_outputRoot());
        PackedState memory other = now_;
        other.words = 1;
        _refuse(abi.encodeWithSelector(IDisputeGame.WrongState.selector, id));
        vm.prank(hotKey);
        game.commit(other, outputs, roots);
        _refuse(abi.encodeWithSelector(IDisputeGame.NotYourMove.selector, stranger));
        vm.prank(stranger);
        game.commit(now_, outputs, roots);
        _refuse(abi.encodeWithSelector(IDisputeGame.WrongPhase.selector, Phase.COMMIT));
        vm.prank(hotKey);
        game.revealLeaves(now_, output);
        _refuse(abi.encodeWithSelector(IDisputeGame.WrongCount.selector, 2, 1));
        vm.prank(hotKey);
        game.commit(now_, roots, roots);
        _commit(id);
        receipt.client = stranger;
        _refuse(abi.encodeWithSelector(IDisputeGame.WrongReceipt.selector));
        game.timeout(now_, receipt);
        _refuse(abi.encodeWithSelector(IDisputeGame.WrongOpening.selector));
        vm.prank(verifier);
        game.pick(now_, 1, bytes32(0), outputs);
    }

    function test_chainsRefuse() public {
        Receipt memory receipt = _receipt();
        bytes32 id = _open(receipt);
        _commit(id);
        _pick(id);
        _revealTensor(id);
        ElementPick memory choice = _element();
        Evidence memory evidence = _evidence(2);
        _refuse(abi.encodeWithSelector(IDisputeGame.NotNarrowed.selector));
        vm.prank(verifier);
        game.proveElement(now_, receipt, choice, evidence);
        _pickElement(id, receipt);
        _refuse(abi.encodeWithSelector(IDisputeGame.WrongEnd.selector));
        vm.prank(hotKey);
        game.revealStates(now_, new bytes(12));
    }

    function test_theConstructorRefuses() public {
        Referee referee = Referee(address(1));
        _refuse(abi.encodeWithSelector(IDisputeGame.OutOfRange.selector, UNBONDING_DELAY, 1, UNBONDING_DELAY - 1));
        new DisputeGame(staking, referee, UNBONDING_DELAY, CLOCK, BOND, PENALTY);
        _refuse(abi.encodeWithSelector(IDisputeGame.OutOfRange.selector, 15 days, 1, 14.5 days));
        new DisputeGame(staking, referee, WINDOW, 15 days, BOND, PENALTY);
        _refuse(abi.encodeWithSelector(IDisputeGame.OutOfRange.selector, 0, 1, type(uint256).max));
        new DisputeGame(staking, referee, WINDOW, CLOCK, 0, PENALTY);
        _refuse(abi.encodeWithSelector(IDisputeGame.OutOfRange.selector, 0, 1, type(uint256).max));
        new DisputeGame(staking, referee, WINDOW, CLOCK, BOND, 0);
    }
}
