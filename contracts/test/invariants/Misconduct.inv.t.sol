// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Standing} from "../../src/types/Summons.sol";
import {Accused} from "../support/Accused.sol";
import {MisconductHandler} from "./MisconductHandler.sol";

contract MisconductInvariants is Accused {
    MisconductHandler private handler;

    function setUp() public override {
        super.setUp();
        handler = new MisconductHandler(misconduct, governance, provider, channel, MODEL);
        token.transfer(address(handler), 100_000e18);
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
        excluded[0].selectors[1] = handler.endAll.selector;
    }

    struct Excluded {
        address target;
        bytes4[] selectors;
    }

    /// One campaign for all: each would see the same histories.
    function invariant_misconduct() public view {
        _whatIsHeldAreThePendingBonds();
        _eachConvictionTakesOnePenalty();
        _ofThreeAnswersTwoArePenalised();
    }

    function _whatIsHeldAreThePendingBonds() private view {
        uint256 pending = 0;
        for (uint256 order = 0; order < handler.ORDERS(); ++order) {
            if (handler.standingOf(order) == Standing.Summoned) ++pending;
        }
        assertEq(token.balanceOf(address(misconduct)), pending * BOND, "balance");
        assertEq(
            handler.bondsIn(), handler.bondsHome() + handler.bondsLost() + pending * BOND, "in = home + lost + held"
        );
    }

    /// Four summonses and eight reports are less than the stake.
    function _eachConvictionTakesOnePenalty() private view {
        assertEq(STAKE - staking.slashable(provider), handler.convictions() * PENALTY, "slashed");
    }

    function _ofThreeAnswersTwoArePenalised() private view {
        for (uint256 order = 0; order < handler.ORDERS(); ++order) {
            assertAtMost(handler.reports(order), 2, "reports of an order");
        }
    }

    /// Nobody's bond is stranded, whoever is a slasher.
    function afterInvariant() public {
        handler.endAll();
        assertEq(token.balanceOf(address(misconduct)), 0, "left behind");
    }
}
