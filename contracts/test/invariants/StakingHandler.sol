// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AIVMToken} from "../../src/AIVMToken.sol";
import {Staking} from "../../src/Staking.sol";
import {Provider, Unbonding} from "../../src/types/Provider.sol";
import {Test} from "../support/Test.sol";
import {vm} from "../support/Vm.sol";

/// @notice Providers who stake and leave, and a slasher who strikes at any moment.
contract StakingHandler is Test {
    AIVMToken private immutable token;
    Staking private immutable staking;
    address private immutable slasher;
    address private constant BENEFICIARY = address(0xbe);

    address[3] public providers = [address(0xa1), address(0xa2), address(0xa3)];

    // What went in and out, counted here and not by the contract.
    mapping(address provider => uint256) public deposited;
    mapping(address provider => uint256) public withdrawn;
    mapping(address provider => uint256) public slashed;
    uint256 public awarded;
    uint256 public burned;

    constructor(AIVMToken token_, Staking staking_, address slasher_) {
        (token, staking, slasher) = (token_, staking_, slasher_);
    }

    /// Called once, with the tokens to play with.
    function start() external {
        for (uint256 i = 0; i < providers.length; ++i) {
            token.transfer(providers[i], 1_000_000e18);
            vm.startPrank(providers[i]);
            token.approve(address(staking), type(uint256).max);
            staking.registerProvider(address(uint160(0xe0 + i)), "https://p");
            vm.stopPrank();
        }
    }

    // --- moves -----------------------------------------------------------------------------------

    function stake(uint256 who, uint256 amount) external {
        address provider = providers[who % 3];
        amount = bound(amount, 1, 1_000);
        vm.prank(provider);
        staking.stake(amount);
        deposited[provider] += amount;
    }

    function requestUnbond(uint256 who, uint256 amount) external {
        address provider = providers[who % 3];
        uint256 staked = staking.getProvider(provider).staked;
        (uint256 first, uint256 next) = staking.unbondingRange(provider);
        if (staked == 0 || next - first == staking.MAX_UNBONDINGS()) return;
        vm.prank(provider);
        staking.requestUnbond(bound(amount, 1, staked));
    }

    function withdraw(uint256 who, uint256 which) external {
        address provider = providers[who % 3];
        (, uint256 next) = staking.unbondingRange(provider);
        if (next == 0) return;
        uint256 id = which % next;
        Unbonding memory leaving = staking.getUnbonding(provider, id);
        uint256 heldUntil = staking.getProvider(provider).heldUntil;
        bool allowed = leaving.amount > 0 && time() >= leaving.withdrawableAt && time() >= heldUntil;
        uint256 before = token.balanceOf(provider);
        vm.prank(provider);
        try staking.withdraw(id) {
            assertTrue(allowed, "withdrawn too early, or twice");
            assertEq(token.balanceOf(provider) - before, leaving.amount, "withdrawn");
            withdrawn[provider] += leaving.amount;
        } catch {
            assertTrue(!allowed, "a withdrawal was refused");
        }
    }

    function slash(uint256 who, uint256 amount, uint256 awardBps) external {
        address provider = providers[who % 3];
        uint256 reachable = staking.slashable(provider);
        amount = bound(amount, 1, 1_500);
        vm.prank(slasher);
        uint256 taken = staking.slash(provider, amount, BENEFICIARY, uint16(bound(awardBps, 0, 5_000)));
        assertEq(taken, amount < reachable ? amount : reachable, "all that can be reached");
        slashed[provider] += taken;
    }

    function collect() external {
        uint256 supply = token.totalSupply();
        uint256 before = token.balanceOf(BENEFICIARY);
        staking.collect(BENEFICIARY);
        awarded += token.balanceOf(BENEFICIARY) - before;
        burned += supply - token.totalSupply();
    }

    /// What was slashed and is not yet collected.
    function waiting() public view returns (uint256) {
        (uint128 award, uint128 burning) = staking.spoils(BENEFICIARY);
        return uint256(award) + burning;
    }

    function hold(uint256 who, uint256 duration) external {
        vm.prank(slasher);
        staking.hold(providers[who % 3], time() + uint64(bound(duration, 0, 5 days)));
    }

    function wait(uint256 duration) external {
        pass(bound(duration, 1, 10 days));
    }

    // --- what the invariants ask -----------------------------------------------------------------

    /// Everybody takes everything home.
    function leaveAll() external {
        pass(60 days);
        for (uint256 i = 0; i < providers.length; ++i) {
            (uint256 first, uint256 next) = staking.unbondingRange(providers[i]);
            vm.startPrank(providers[i]);
            for (uint256 id = first; id < next; ++id) {
                if (staking.getUnbonding(providers[i], id).amount > 0) staking.withdraw(id);
            }
            uint256 staked = staking.getProvider(providers[i]).staked;
            if (staked > 0) {
                uint256 last = staking.requestUnbond(staked);
                pass(staking.UNBONDING_DELAY());
                staking.withdraw(last);
            }
            vm.stopPrank();
        }
        staking.collect(BENEFICIARY);
    }
}
