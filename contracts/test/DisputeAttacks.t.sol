// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DisputeGame} from "../src/DisputeGame.sol";
import {OneStep} from "../src/OneStep.sol";
import {Referee} from "../src/Referee.sol";
import {Staking} from "../src/Staking.sol";
import {IAIVMToken} from "../src/interfaces/IAIVMToken.sol";
import {IDisputeGame} from "../src/interfaces/IDisputeGame.sol";
import {IStaking} from "../src/interfaces/IStaking.sol";
import {PackedState} from "../src/types/Game.sol";
import {Receipt} from "../src/types/Receipt.sol";
import {CallbackToken} from "./support/CallbackToken.sol";
import {OUTPUT_ROOT, headerOnly, headerOnlyOutputs, headerOnlyProgram} from "./support/HeaderOnly.sol";
import {Vm, vm} from "./support/Vm.sol";
import {sign} from "./support/Voucher.sol";
import {World} from "./support/World.sol";

/// @notice Time at its borders, and a token that calls back.
contract DisputeAttacksTest is World {
    uint256 private constant BOND = 100;
    uint256 private constant PENALTY = 400;
    uint256 private constant STAKE = 10_000;

    Staking private held;
    DisputeGame private game;
    PackedState private shown;

    function _setUp(IAIVMToken money, uint64 window, uint32 clock) private {
        held = new Staking(money, address(this), UNBONDING_DELAY, 1);
        game = new DisputeGame(held, new Referee(OneStep(address(1))), window, clock, BOND, PENALTY);
        held.grantRole(held.SLASHER_ROLE(), address(game));
        vm.startPrank(provider);
        money.approve(address(held), STAKE);
        held.registerProvider(hotKey, "https://p");
        held.stake(STAKE);
        vm.stopPrank();
        vm.prank(verifier);
        money.approve(address(game), type(uint256).max);
    }

    function _receipt(uint64 sequence) private view returns (Receipt memory receipt) {
        (receipt.program, receipt.outputs, receipt.sequence) = (headerOnlyProgram(), headerOnlyOutputs(), sequence);
        (receipt.client, receipt.provider) = (client, provider);
        (receipt.tier, receipt.numerics, receipt.time) = (1, 1, time());
    }

    function _open(Receipt memory receipt, address challenger) private {
        bytes memory signature = sign(HOT_KEY, held.receiptDigest(receipt));
        vm.recordLogs();
        vm.prank(challenger);
        game.open(receipt, signature, headerOnly());
        _look();
    }

    function _commit() private {
        bytes32[] memory outputs = new bytes32[](1);
        outputs[0] = OUTPUT_ROOT;
        vm.recordLogs();
        vm.prank(hotKey);
        game.commit(shown, outputs, new bytes32[](2));
        _look();
    }

    /// The first state that was shown: what comes after it, a callback did.
    function _look() private {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] != IDisputeGame.Moved.selector) continue;
            shown = abi.decode(logs[i].data, (PackedState));
            return;
        }
    }

    // --- time at its borders ---------------------------------------------------------------------

    /// The whole stake is asked back in the second of the signature; the game is opened in the last second of the
    /// window, and each side uses its clock to the last second. The stake is there until a day after.
    function testFuzz_theStakeIsThereToTheEnd(uint256 window, uint256 clock, bool committed, uint256 late) public {
        window = _border(window, UNBONDING_DELAY - 1);
        clock = _border(clock, (30 days - 1 days) / 2);
        token.transfer(verifier, BOND);
        _setUp(token, uint64(window), uint32(clock));
        Receipt memory receipt = _receipt(1);
        vm.prank(provider);
        held.requestUnbond(STAKE);
        pass(window);
        _open(receipt, verifier);
        pass(clock);
        if (committed) {
            _commit(); // in his last second
            pass(clock);
        }
        _refuseEnd(receipt);
        pass(1 + bound(late, 0, 1 days - 1));
        _refuseWithdrawal();
        game.timeout(shown, receipt);
        uint256 taken = committed ? 0 : PENALTY;
        assertEq(held.slashable(provider), STAKE - taken, "stake");
        assertEq(game.credits(verifier), committed ? 0 : BOND + PENALTY / 2 * 4 / 5, "challenger");
    }

    function testFuzz_nobodyOpensTooLate(uint256 window) public {
        window = _border(window, UNBONDING_DELAY - 1);
        _setUp(token, uint64(window), 1);
        Receipt memory receipt = _receipt(1);
        bytes memory signature = sign(HOT_KEY, held.receiptDigest(receipt));
        pass(window + 1);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.OutsideWindow.selector, receipt.time));
        game.open(receipt, signature, headerOnly());
    }

    /// Half of the time the least or the most.
    function _border(uint256 seed, uint256 most) private pure returns (uint256) {
        if (seed % 4 == 0) return 1;
        return seed % 4 == 1 ? most : bound(seed, 1, most);
    }

    function _refuseEnd(Receipt memory receipt) private {
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.NotYetOver.selector, uint256(time())));
        game.timeout(shown, receipt);
    }

    function _refuseWithdrawal() private {
        vm.prank(provider);
        (bool ok, bytes memory why) = address(held).call(abi.encodeCall(held.withdraw, (0)));
        assertTrue(!ok && bytes4(why) == IStaking.NotYetWithdrawable.selector, "the stake left");
    }

    // --- a token that calls back -----------------------------------------------------------------

    /// The token is a challenger itself, and tries everything in the middle of every transfer. No more comes out than
    /// went in.
    function test_aTokenThatCallsBackGainsNothing() public {
        CallbackToken hostile = new CallbackToken();
        address attacker = address(hostile);
        hostile.mint(provider, STAKE);
        hostile.mint(verifier, 3 * BOND);
        hostile.mint(attacker, 10 * BOND);
        _setUp(IAIVMToken(attacker), 1 days, 1 hours);
        vm.prank(attacker);
        hostile.approve(address(game), type(uint256).max);
        (Receipt memory first, Receipt memory second) = (_receipt(1), _receipt(2));
        _open(first, verifier);
        _plan(hostile, first, second);
        _open(first, attacker);
        _plan(hostile, first, second);
        pass(1 hours + 1);
        game.timeout(shown, first);
        _plan(hostile, first, second);
        vm.startPrank(attacker);
        game.deposit(BOND);
        game.withdraw(game.credits(attacker));
        vm.stopPrank();
        held.collect(address(game));
        if (_shareOf(first) > 0) game.compensate(first);
        assertTrue(hostile.tried() > 20 && hostile.succeeded() > 0, "it did call back, also with success");
        _nothingIsLost(hostile, first, second);
    }

    function test_aTokenThatCallsBackDuringAnAcquittal() public {
        CallbackToken hostile = new CallbackToken();
        hostile.mint(provider, STAKE);
        hostile.mint(verifier, BOND);
        _setUp(IAIVMToken(address(hostile)), 1 days, 1 hours);
        Receipt memory receipt = _receipt(1);
        _open(receipt, verifier);
        _commit();
        _plan(hostile, receipt, receipt);
        pass(1 hours + 1);
        game.timeout(shown, receipt);
        assertTrue(hostile.tried() > 0, "it did call back");
        assertEq(hostile.balanceOf(provider), BOND / 2, "once");
        assertEq(hostile.balanceOf(address(game)), 0, "nothing is left");
    }

    /// Every entry point, with arguments that could succeed.
    function _plan(CallbackToken hostile, Receipt memory first, Receipt memory second) private {
        hostile.forget();
        bytes memory signature = sign(HOT_KEY, held.receiptDigest(second));
        hostile.plan(address(game), abi.encodeCall(game.open, (second, signature, headerOnly())));
        hostile.plan(address(game), abi.encodeCall(game.timeout, (shown, first)));
        hostile.plan(address(game), abi.encodeCall(game.void, (shown)));
        hostile.plan(address(game), abi.encodeCall(game.commit, (shown, new bytes32[](1), new bytes32[](2))));
        hostile.plan(address(game), abi.encodeCall(game.compensate, (first)));
        hostile.plan(address(game), abi.encodeCall(game.deposit, (1)));
        for (uint256 amount = 1; amount <= 4 * BOND; amount *= 3) {
            hostile.plan(address(game), abi.encodeCall(game.withdraw, (amount)));
        }
        hostile.plan(address(game), abi.encodeCall(game.withdraw, (BOND)));
        hostile.plan(address(held), abi.encodeCall(held.collect, (address(game))));
        hostile.plan(address(held), abi.encodeCall(held.withdraw, (0)));
        hostile.plan(address(held), abi.encodeCall(held.stake, (1)));
    }

    function _shareOf(Receipt memory receipt) private view returns (uint256 share) {
        (,, share) = game.verdicts(keccak256(abi.encode(receipt)));
    }

    function _isOpen(Receipt memory receipt, address challenger) private view returns (uint256) {
        return game.games(keccak256(abi.encode(keccak256(abi.encode(receipt)), challenger))) == 0 ? 0 : 1;
    }

    function _nothingIsLost(CallbackToken hostile, Receipt memory first, Receipt memory second) private view {
        address attacker = address(hostile);
        (uint128 awarded, uint128 burning) = held.spoils(address(game));
        uint256 open = _isOpen(first, verifier) + _isOpen(first, attacker) + _isOpen(second, attacker);
        uint256 claims = open * BOND + game.credits(verifier) + game.credits(attacker) + _shareOf(first);
        assertEq(hostile.balanceOf(address(game)) + awarded, claims, "the game");
        uint256 inside = held.slashable(provider) + awarded + burning;
        assertEq(hostile.balanceOf(address(held)), inside, "the stakes");
        uint256 wealth = hostile.balanceOf(attacker) + game.credits(attacker) + (open - _isOpen(first, verifier)) * BOND;
        assertAtMost(wealth, 10 * BOND + PENALTY / 2 * 4 / 5, "the attacker: what he had, and an award");
    }
}
