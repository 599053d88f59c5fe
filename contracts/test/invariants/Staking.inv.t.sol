// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Provider} from "../../src/types/Provider.sol";
import {World} from "../support/World.sol";
import {StakingHandler} from "./StakingHandler.sol";

contract StakingInvariants is World {
    StakingHandler private handler;

    function setUp() public override {
        super.setUp();
        handler = new StakingHandler(token, staking, slasher);
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
    function invariant_staking() public view {
        _theBalanceIsTheSumOfStakesAndSpoils();
        _aSlashedStakeIsNeverWithdrawn();
        _unbondingIsTheSumOfItsEntries();
    }

    function _theBalanceIsTheSumOfStakesAndSpoils() private view {
        uint256 sum = 0;
        for (uint256 i = 0; i < 3; ++i) {
            sum += staking.slashable(handler.providers(i));
        }
        sum += handler.waiting();
        assertEq(token.balanceOf(address(staking)), sum, "balance");
        assertEq(staking.totalHeld(), sum, "totalHeld");
    }

    function _aSlashedStakeIsNeverWithdrawn() private view {
        uint256 slashed = 0;
        for (uint256 i = 0; i < 3; ++i) {
            address who = handler.providers(i);
            slashed += handler.slashed(who);
            assertEq(
                handler.deposited(who),
                handler.withdrawn(who) + handler.slashed(who) + staking.slashable(who),
                "in = withdrawn + slashed + held"
            );
        }
        assertEq(
            slashed, handler.awarded() + handler.burned() + handler.waiting(), "slashed = awarded + burned + waiting"
        );
    }

    function _unbondingIsTheSumOfItsEntries() private view {
        for (uint256 i = 0; i < 3; ++i) {
            address who = handler.providers(i);
            (uint256 first, uint256 next) = staking.unbondingRange(who);
            assertTrue(next - first <= staking.MAX_UNBONDINGS(), "too many");
            uint256 sum = 0;
            for (uint256 id = 0; id < next; ++id) {
                uint256 amount = staking.getUnbonding(who, id).amount;
                assertTrue(amount == 0 || id >= first, "something outside the range");
                sum += amount;
            }
            assertEq(uint256(staking.getProvider(who).unbonding), sum, "unbonding");
        }
    }

    /// Nobody's stake is stranded.
    function afterInvariant() public {
        handler.leaveAll();
        assertEq(token.balanceOf(address(staking)), 0, "left behind");
    }
}
