// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Misconduct} from "../src/Misconduct.sol";
import {IMisconduct} from "../src/interfaces/IMisconduct.sol";
import {Receipt} from "../src/types/Receipt.sol";
import {Accused} from "./support/Accused.sol";
import {vm} from "./support/Vm.sol";
import {sign} from "./support/Voucher.sol";

/// @notice What receipts alone convict. Summonses are in Summonses.t.sol.
contract ReportsTest is Accused {
    uint256 private constant SECOND_KEY = 0x5ec;

    function _report(address reporter, Receipt memory first, Receipt memory second) private {
        (bytes memory one, bytes memory two) = (signed(first), signed(second));
        vm.prank(reporter);
        misconduct.equivocation(first, one, second, two, SALT);
    }

    function _report(address reporter, Receipt memory receipt) private {
        bytes memory signature = signed(receipt);
        vm.prank(reporter);
        misconduct.inconsistent(receipt, signature, SALT);
    }

    /// Announces and reports; expects that refusal if there is one.
    function _refused(Receipt memory first, Receipt memory second, bytes memory reason) private {
        announce(stranger, first, second);
        (bytes memory one, bytes memory two) = (signed(first), signed(second));
        vm.expectRevert(reason);
        vm.prank(stranger);
        misconduct.equivocation(first, one, second, two, SALT);
    }

    function _refused(Receipt memory receipt, bytes memory signature, bytes memory reason) private {
        announce(stranger, receipt);
        vm.expectRevert(reason);
        vm.prank(stranger);
        misconduct.inconsistent(receipt, signature, SALT);
    }

    // --- two answers to one job ------------------------------------------------------------------

    function test_twoAnswersToOneJob() public {
        (Receipt memory first, Receipt memory second) = (receiptOf("a"), receiptOf("b"));
        announce(stranger, first, second);
        (uint256 supply, uint256 before) = (token.totalSupply(), token.balanceOf(client));
        vm.expectEmit(address(misconduct));
        emit IMisconduct.Equivocated(first.job, provider, stranger, PENALTY);
        _report(stranger, first, second);
        assertEq(staking.slashable(provider), STAKE - PENALTY, "stake");
        assertEq(token.balanceOf(stranger), 160e18, "reporter");
        assertEq(token.balanceOf(client) - before, 40e18, "client");
        assertEq(supply - token.totalSupply(), 200e18, "burned");
        assertEq(token.balanceOf(address(misconduct)), 0, "nothing is left");
        assertTrue(misconduct.convicted(misconduct.claimOf(first)), "first");
        assertTrue(misconduct.convicted(misconduct.claimOf(second)), "second");
    }

    function test_theSameWrongIsPenalisedOnce() public {
        (Receipt memory first, Receipt memory second) = (receiptOf("a"), receiptOf("b"));
        announce(stranger, first, second);
        _report(stranger, first, second);
        bytes32 claim = misconduct.claimOf(first);
        _refused(first, second, abi.encodeWithSelector(IMisconduct.AlreadyConvicted.selector, claim));
        // The same answers, signed again: other receipts, and no other wrong.
        Receipt memory again = receiptOf("a");
        (again.tier, again.attestation) = (2, JOB);
        _refused(again, second, abi.encodeWithSelector(IMisconduct.AlreadyConvicted.selector, claim));
        // A third answer is another one.
        Receipt memory third = receiptOf("c");
        announce(stranger, second, third);
        _report(stranger, second, third);
        assertEq(staking.slashable(provider), STAKE - 2 * PENALTY, "twice for three");
        _refused(first, third, abi.encodeWithSelector(IMisconduct.AlreadyConvicted.selector, claim));
    }

    function test_whatAJobFixes() public {
        Receipt memory first = receiptOf("a");
        Receipt memory second = receiptOf("a");
        (second.tier, second.time, second.attestation) = (2, second.time + 9, JOB);
        _refused(first, second, abi.encodeWithSelector(IMisconduct.NoEquivocation.selector));
        second = receiptOf("b");
        (second.sequence, second.job) = (8, 0);
        second.job = jobOf(second);
        _refused(first, second, abi.encodeWithSelector(IMisconduct.NoEquivocation.selector)); // another job
        second = receiptOf("b");
        second.provider = publisher;
        _refused(first, second, abi.encodeWithSelector(IMisconduct.NoEquivocation.selector)); // another's
        second = receiptOf("b");
        second.program = JOB; // then the job id is not the hash of its parts
        _refused(first, second, abi.encodeWithSelector(IMisconduct.WrongJob.selector, second.job));
        _refused(second, first, abi.encodeWithSelector(IMisconduct.WrongJob.selector, second.job));
        second = receiptOf("a");
        second.numerics = 2;
        announce(stranger, first, second);
        _report(stranger, first, second);
        second = receiptOf("a");
        second.client = stranger; // a channel has one client
        announce(stranger, first, second);
        _report(stranger, first, second);
        assertEq(staking.slashable(provider), STAKE - 2 * PENALTY, "both");
    }

    function test_aGiftMayHaveManyClients() public {
        channel = 0;
        Receipt memory first = receiptOf("a");
        Receipt memory second = receiptOf("a");
        second.client = stranger;
        _refused(first, second, abi.encodeWithSelector(IMisconduct.NoEquivocation.selector));
    }

    // --- a job id that is not the hash of its parts -------------------------------------------------

    function testFuzz_anyPartThatTheJobDoesNotNameConvicts(uint8 part, uint256 bit) public {
        Receipt memory receipt = receiptOf("a");
        (part, bit) = (uint8(bound(part, 0, 5)), uint256(1) << bound(bit, 0, 63));
        if (part == 0) receipt.job ^= bytes32(bit);
        if (part == 1) receipt.channel ^= bytes32(bit);
        if (part == 2) receipt.sequence ^= uint64(bit);
        if (part == 3) receipt.model ^= bytes32(bit);
        if (part == 4) receipt.program ^= bytes32(bit);
        if (part == 5) receipt.inputs ^= bytes32(bit);
        announce(stranger, receipt);
        vm.expectEmit(address(misconduct));
        emit IMisconduct.Inconsistent(receipt.job, provider, stranger, PENALTY);
        _report(stranger, receipt);
        assertEq(token.balanceOf(stranger), 160e18, "reporter");
        receipt.time += 1; // signed again
        bytes memory known = abi.encodeWithSelector(IMisconduct.AlreadyConvicted.selector, misconduct.claimOf(receipt));
        _refused(receipt, signed(receipt), known);
    }

    function testFuzz_noOtherFieldConvicts(bytes32 outputs, address who, uint32 numerics, uint64 sequence) public {
        Receipt memory receipt = receiptOf(outputs);
        (receipt.client, receipt.numerics, receipt.sequence) = (who, numerics, sequence);
        receipt.job = jobOf(receipt);
        _refused(receipt, signed(receipt), abi.encodeWithSelector(IMisconduct.NothingWrong.selector));
    }

    // --- who may report, and when ------------------------------------------------------------------

    function test_aCopyTakesNothing() public {
        (Receipt memory first, Receipt memory second) = (receiptOf("a"), receiptOf("b"));
        announce(verifier, first, second);
        // A stranger sees the report in the mempool, and sends it as its own; then announces it, and tries again.
        (bytes memory one, bytes memory two) = (signed(first), signed(second));
        bytes32 seal = misconduct.sealOf(stranger, keccak256(abi.encode(first)), keccak256(abi.encode(second)), SALT);
        vm.expectRevert(abi.encodeWithSelector(IMisconduct.NotAnnounced.selector, seal));
        vm.prank(stranger);
        misconduct.equivocation(first, one, second, two, SALT);
        vm.prank(stranger);
        misconduct.announce(seal);
        pass(misconduct.SEALED_FOR() - 1);
        vm.expectRevert(abi.encodeWithSelector(IMisconduct.NotYetReportable.selector, uint256(time()) + 1));
        vm.prank(stranger);
        misconduct.equivocation(first, one, second, two, SALT);
        _report(verifier, first, second);
        assertEq(token.balanceOf(verifier), 1_000e18 + 160e18, "the first reporter's");
    }

    function test_nobodyPutsAReportOff() public {
        Receipt memory receipt = receiptOf("a");
        receipt.job = JOB;
        bytes32 seal = misconduct.sealOf(verifier, keccak256(abi.encode(receipt)), 0, SALT);
        misconduct.announce(seal);
        uint64 since = time();
        pass(misconduct.SEALED_FOR() - 1);
        vm.prank(stranger);
        misconduct.announce(seal);
        assertEq(misconduct.announced(seal), since, "the first time counts");
        pass(1);
        _report(verifier, receipt);
        assertEq(misconduct.announced(seal), 0, "spent");
    }

    function test_aSealHoldsOneReport() public {
        (Receipt memory first, Receipt memory second) = (receiptOf("a"), receiptOf("b"));
        announce(stranger, first, second);
        bytes32 other = misconduct.sealOf(stranger, keccak256(abi.encode(second)), keccak256(abi.encode(first)), SALT);
        (bytes memory one, bytes memory two) = (signed(first), signed(second));
        vm.expectRevert(abi.encodeWithSelector(IMisconduct.NotAnnounced.selector, other));
        vm.prank(stranger);
        misconduct.equivocation(second, two, first, one, SALT);
    }

    /// A confederate who is client and reporter gets half back, and the other half is gone.
    function test_reportingOneselfCostsHalf() public {
        Receipt memory first = receiptOf("a");
        Receipt memory second = receiptOf("b");
        (first.client, second.client) = (verifier, verifier);
        announce(verifier, first, second);
        (uint256 before, uint256 supply) = (token.balanceOf(verifier), token.totalSupply());
        _report(verifier, first, second);
        assertEq(token.balanceOf(verifier) - before, PENALTY / 2, "back");
        assertEq(supply - token.totalSupply(), PENALTY / 2, "burned");
    }

    function test_withoutTheRoleNothingIsTaken() public {
        bytes32 role = staking.SLASHER_ROLE();
        vm.prank(governance);
        staking.revokeRole(role, address(misconduct));
        Receipt memory receipt = receiptOf("a");
        receipt.job = JOB;
        _refused(receipt, signed(receipt), lacksRole(address(misconduct), role));
        vm.prank(governance);
        staking.grantRole(role, address(misconduct));
        _report(stranger, receipt); // still announced
    }

    function test_anEmptyStakeStillConvicts() public {
        vm.prank(slasher);
        staking.slash(provider, STAKE - 1, slasher, 0);
        Receipt memory receipt = receiptOf("a");
        receipt.job = JOB;
        announce(stranger, receipt);
        _report(stranger, receipt);
        assertEq(staking.slashable(provider), 0, "the last unit");
        receipt.outputs = "b";
        announce(stranger, receipt);
        _report(stranger, receipt);
        assertEq(token.balanceOf(stranger), 0, "nothing to award");
    }

    // --- signatures and time -------------------------------------------------------------------------

    function testFuzz_anotherKeyConvictsNobody(uint256 key) public {
        key = bound(key, 1, type(uint128).max);
        vm.assume(key != HOT_KEY);
        Receipt memory receipt = receiptOf("a");
        receipt.job = JOB;
        bytes memory forged = sign(key, staking.receiptDigest(receipt));
        _refused(receipt, forged, abi.encodeWithSelector(IMisconduct.NotSigned.selector));
        forged = sign(HOT_KEY, keccak256("something else"));
        _refused(receipt, forged, abi.encodeWithSelector(IMisconduct.NotSigned.selector));
        _refused(receipt, hex"00", abi.encodeWithSelector(IMisconduct.NotSigned.selector));
    }

    function test_oneForgedReceiptIsNotEnough() public {
        (Receipt memory first, Receipt memory second) = (receiptOf("a"), receiptOf("b"));
        announce(stranger, first, second);
        bytes memory one = signed(first);
        bytes memory forged = sign(SECOND_KEY, staking.receiptDigest(second));
        vm.expectRevert(abi.encodeWithSelector(IMisconduct.NotSigned.selector));
        vm.prank(stranger);
        misconduct.equivocation(first, one, second, forged, SALT);
    }

    function test_aRotatedKeyAnswersForItsTime() public {
        pass(1 days);
        Receipt memory receipt = receiptOf("a");
        receipt.job = JOB;
        bytes memory old = signed(receipt);
        vm.prank(provider);
        staking.rotateHotKey(vm.addr(SECOND_KEY));
        pass(1 days);
        announce(stranger, receipt);
        vm.prank(stranger);
        misconduct.inconsistent(receipt, old, SALT);
        Receipt memory later = receiptOf("a");
        later.job = keccak256("another");
        _refused(later, signed(later), abi.encodeWithSelector(IMisconduct.NotSigned.selector)); // the old key
        announce(stranger, later);
        bytes memory fresh = sign(SECOND_KEY, staking.receiptDigest(later));
        vm.prank(stranger);
        misconduct.inconsistent(later, fresh, SALT);
        assertEq(staking.slashable(provider), STAKE - 2 * PENALTY, "both");
    }

    function test_theWindowCloses() public {
        Receipt memory receipt = receiptOf("a");
        receipt.job = JOB;
        announce(stranger, receipt);
        pass(WINDOW - (time() - receipt.time) + 1);
        bytes memory signature = signed(receipt);
        vm.expectRevert(abi.encodeWithSelector(IMisconduct.OutsideWindow.selector, receipt.time));
        vm.prank(stranger);
        misconduct.inconsistent(receipt, signature, SALT);
        vm.warp(time() - 1);
        _report(stranger, receipt);
    }

    function test_aReceiptFromTheFutureIsNoWayOut() public {
        Receipt memory receipt = receiptOf("a");
        (receipt.job, receipt.time) = (JOB, type(uint64).max);
        announce(stranger, receipt);
        _report(stranger, receipt);
        assertEq(staking.slashable(provider), STAKE - PENALTY, "slashed");
    }

    function test_theConstructorRefuses() public {
        uint64 most = staking.MAX_HOLD() - 1 days;
        vm.expectRevert(abi.encodeWithSelector(IMisconduct.OutOfRange.selector, most + 1, 1 minutes, most));
        new Misconduct(game, escrow, most + 1);
        vm.expectRevert(abi.encodeWithSelector(IMisconduct.OutOfRange.selector, 59, 1 minutes, most));
        new Misconduct(game, escrow, 59);
        assertEq(misconduct.BOND(), BOND, "the game's bond");
        assertEq(misconduct.PENALTY(), PENALTY, "the game's penalty");
        assertEq(misconduct.WINDOW(), WINDOW, "the game's window");
        assertEq(address(misconduct.registry()), address(registry), "the escrow's registry");
    }
}
