// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DisputeGame} from "../../src/DisputeGame.sol";
import {Misconduct} from "../../src/Misconduct.sol";
import {OneStep} from "../../src/OneStep.sol";
import {Referee} from "../../src/Referee.sol";
import {World} from "../support/World.sol";
import {vm} from "../support/Vm.sol";
import {DisputeHandler} from "./DisputeHandler.sol";

/// @notice Money and time of disputes; no proof is played here, so there is no referee.
contract DisputeInvariants is World {
    uint64 private constant WINDOW = UNBONDING_DELAY - 1; // the longest
    uint256 private constant BOND = 101;
    uint256 private constant PENALTY = 400e18 + 3;

    DisputeGame private game;
    Misconduct private misconduct;
    DisputeHandler private handler;

    function setUp() public override {
        super.setUp();
        game = new DisputeGame(staking, new Referee(OneStep(address(1))), WINDOW, 1 days, BOND, PENALTY);
        misconduct = new Misconduct(game, escrow, 12 hours);
        bytes32 role = staking.SLASHER_ROLE();
        vm.startPrank(governance);
        staking.grantRole(role, address(game));
        staking.grantRole(role, address(misconduct));
        vm.stopPrank();
        handler = new DisputeHandler(token, staking, game, misconduct, governance, slasher, MODEL);
        token.transfer(address(handler), 3_000_000e18);
        handler.start();
    }

    /// forge asks this: whom to call.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// forge asks this: which functions not to call.
    function excludeSelectors() external view returns (Excluded[] memory excluded) {
        excluded = new Excluded[](1);
        excluded[0] = Excluded(address(handler), new bytes4[](2));
        excluded[0].selectors[0] = handler.start.selector;
        excluded[0].selectors[1] = handler.leaveAll.selector;
    }

    struct Excluded {
        address target;
        bytes4[] selectors;
    }

    /// One campaign for all: each would see the same histories.
    function invariant_disputes() public view {
        (uint128 awarded,) = staking.spoils(address(game));
        uint256 claims = BOND * handler.openGames() + handler.owed();
        assertEq(token.balanceOf(address(game)) + awarded, claims, "the bonds of open games, credits and shares");
        assertEq(token.balanceOf(address(misconduct)), BOND * handler.pendingSummonses(), "the bonds of summonses");
        assertTrue(!handler.unbondingOutruns(), "stake left before a receipt could be disputed");
        _aSlashedStakeIsNeverWithdrawn();
    }

    function _aSlashedStakeIsNeverWithdrawn() private view {
        uint256 held = 0;
        for (uint256 i = 0; i < 2; ++i) {
            address who = handler.providers(i);
            held += staking.slashable(who);
            assertEq(
                handler.deposited(who),
                handler.withdrawn(who) + handler.slashed(who) + staking.slashable(who),
                "in = withdrawn + slashed + held"
            );
        }
        held += handler.waiting();
        assertEq(token.balanceOf(address(staking)), held, "stakes and spoils");
        assertEq(staking.totalHeld(), held, "totalHeld");
    }

    /// Nobody's money is stranded: strangers can end everything, and everybody can leave.
    function afterInvariant() public {
        handler.leaveAll();
        assertEq(token.balanceOf(address(game)), 0, "a bond was left behind");
        assertEq(token.balanceOf(address(misconduct)), 0, "a summoner's bond was left behind");
        assertEq(token.balanceOf(address(staking)), 0, "a stake was left behind");
    }
}
