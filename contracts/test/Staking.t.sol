// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Staking} from "../src/Staking.sol";
import {IAIVMToken} from "../src/interfaces/IAIVMToken.sol";
import {IStaking} from "../src/interfaces/IStaking.sol";
import {Provider, Unbonding} from "../src/types/Provider.sol";
import {Receipt} from "../src/types/Receipt.sol";
import {HostileToken} from "./support/HostileToken.sol";
import {vm} from "./support/Vm.sol";
import {sign} from "./support/Voucher.sol";
import {World} from "./support/World.sol";

contract StakingTest is World {
    function setUp() public override {
        super.setUp();
        registerProvider();
    }

    function _stake(uint256 amount) private {
        vm.prank(provider);
        staking.stake(amount);
    }

    function _unbond(uint256 amount) private returns (uint256 id) {
        vm.prank(provider);
        return staking.requestUnbond(amount);
    }

    function _withdraw(uint256 id) private {
        vm.prank(provider);
        staking.withdraw(id);
    }

    function _slash(uint256 amount, uint16 awardBps) private returns (uint256 taken) {
        vm.prank(slasher);
        return staking.slash(provider, amount, verifier, awardBps);
    }

    // --- a provider ------------------------------------------------------------------------------

    function test_registerKeepsEverything() public {
        vm.expectEmit(address(staking));
        emit IStaking.ProviderRegistered(stranger, named("key"), "https://s");
        vm.prank(stranger);
        staking.registerProvider(named("key"), "https://s");
        Provider memory kept = staking.getProvider(stranger);
        assertEq(kept.hotKey, named("key"), "key");
        assertEq(kept.endpoint, "https://s", "endpoint");
        assertEq(uint256(kept.staked) + kept.unbonding + kept.heldUntil, 0, "money");
        assertEq(uint256(kept.registeredAt), time(), "time");
        assertTrue(!kept.paused && !kept.active, "flags");
        assertEq(staking.providerCount(), 2, "count");
        assertEq(staking.providerAt(1), stranger, "second");
        assertEq(staking.providerOf(named("key")), stranger, "key's owner");
    }

    function test_registerRefuses() public {
        vm.expectRevert(abi.encodeWithSelector(IStaking.AlreadyRegistered.selector, provider));
        vm.prank(provider);
        staking.registerProvider(named("key"), "https://p");
        vm.startPrank(stranger);
        vm.expectRevert(abi.encodeWithSelector(IStaking.ZeroAddress.selector));
        staking.registerProvider(address(0), "https://s");
        vm.expectRevert(abi.encodeWithSelector(IStaking.HotKeyTaken.selector, hotKey, provider));
        staking.registerProvider(hotKey, "https://s");
        vm.expectRevert(abi.encodeWithSelector(IStaking.WrongEndpointLength.selector, 0, 256));
        staking.registerProvider(named("key"), "");
        vm.expectRevert(abi.encodeWithSelector(IStaking.WrongEndpointLength.selector, 257, 256));
        staking.registerProvider(named("key"), string(new bytes(257)));
        assertEq(staking.providerCount(), 1, "count");
    }

    function test_onlyProvidersHaveDuties() public {
        bytes memory unknown = abi.encodeWithSelector(IStaking.UnknownProvider.selector, stranger);
        vm.startPrank(stranger);
        vm.expectRevert(unknown);
        staking.rotateHotKey(named("key"));
        vm.expectRevert(unknown);
        staking.setEndpoint("https://s");
        vm.expectRevert(unknown);
        staking.deactivate();
        vm.expectRevert(unknown);
        staking.activate();
        vm.expectRevert(unknown);
        staking.stake(1);
        vm.expectRevert(unknown);
        staking.requestUnbond(1);
        vm.expectRevert(unknown);
        staking.withdraw(0);
        vm.expectRevert(unknown);
        staking.getProvider(stranger);
        vm.stopPrank();
        vm.startPrank(slasher);
        vm.expectRevert(unknown);
        staking.slash(stranger, 1, verifier, 0);
        vm.expectRevert(unknown);
        staking.hold(stranger, time());
        assertTrue(!staking.isActive(stranger), "active");
        assertEq(staking.slashable(stranger), 0, "slashable");
    }

    function test_endpointChanges() public {
        vm.startPrank(provider);
        vm.expectEmit(address(staking));
        emit IStaking.EndpointChanged(provider, "https://new");
        staking.setEndpoint("https://new");
        assertEq(staking.getProvider(provider).endpoint, "https://new", "endpoint");
        vm.expectRevert(abi.encodeWithSelector(IStaking.WrongEndpointLength.selector, 0, 256));
        staking.setEndpoint("");
    }

    function test_activeFromTheMinimumAndUnlessPaused() public {
        _stake(MINIMUM_STAKE - 1);
        assertTrue(!staking.isActive(provider), "below the minimum");
        _stake(1);
        assertTrue(staking.isActive(provider), "at the minimum");
        vm.prank(provider);
        staking.deactivate();
        assertTrue(!staking.isActive(provider) && staking.getProvider(provider).paused, "paused");
        vm.expectRevert(abi.encodeWithSelector(IStaking.AlreadySo.selector, true));
        vm.prank(provider);
        staking.deactivate();
        vm.prank(provider);
        staking.activate();
        assertTrue(staking.isActive(provider), "resumed");
        vm.expectRevert(abi.encodeWithSelector(IStaking.AlreadySo.selector, false));
        vm.prank(provider);
        staking.activate();
        _unbond(1);
        assertTrue(!staking.isActive(provider), "stake asked back");
    }

    function test_minimumStakeIsGovernances() public {
        vm.expectRevert(lacksRole(provider, 0));
        vm.prank(provider);
        staking.setMinimumStake(1);
        vm.startPrank(governance);
        vm.expectRevert(abi.encodeWithSelector(IStaking.OutOfRange.selector, 0, 1, 10_000_000e18));
        staking.setMinimumStake(0);
        vm.expectRevert(abi.encodeWithSelector(IStaking.OutOfRange.selector, 10_000_000e18 + 1, 1, 10_000_000e18));
        staking.setMinimumStake(10_000_000e18 + 1);
        vm.expectEmit(address(staking));
        emit IStaking.MinimumStakeChanged(5);
        staking.setMinimumStake(5);
        vm.stopPrank();
        _stake(5);
        assertTrue(staking.isActive(provider), "active");
    }

    function test_constructorRefusesNonsense() public {
        vm.expectRevert(abi.encodeWithSelector(IStaking.ZeroAddress.selector));
        new Staking(IAIVMToken(address(0)), governance, 1 days, 1);
        vm.expectRevert(abi.encodeWithSelector(IStaking.ZeroAddress.selector));
        new Staking(token, address(0), 1 days, 1);
        vm.expectRevert(abi.encodeWithSelector(IStaking.OutOfRange.selector, 59, 60, 180 days));
        new Staking(token, governance, 59, 1);
        vm.expectRevert(abi.encodeWithSelector(IStaking.OutOfRange.selector, 180 days + 1, 60, 180 days));
        new Staking(token, governance, 180 days + 1, 1);
        vm.expectRevert(abi.encodeWithSelector(IStaking.OutOfRange.selector, 0, 1, 10_000_000e18));
        new Staking(token, governance, 1 days, 0);
    }

    // --- hot keys --------------------------------------------------------------------------------

    function test_rotationKeepsHistory() public {
        uint64 registered = time();
        address second = named("second");
        pass(1 hours);
        uint64 rotated = time();
        vm.expectEmit(address(staking));
        emit IStaking.HotKeyRotated(provider, hotKey, second);
        vm.prank(provider);
        staking.rotateHotKey(second);
        pass(1 days);
        assertEq(staking.getProvider(provider).hotKey, second, "current");
        assertEq(staking.hotKeyAt(provider, registered - 1), address(0), "before registration");
        assertEq(staking.hotKeyAt(provider, registered), hotKey, "at registration");
        assertEq(staking.hotKeyAt(provider, rotated - 1), hotKey, "before the rotation");
        assertEq(staking.hotKeyAt(provider, rotated), second, "at the rotation");
        assertEq(staking.providerOf(hotKey), provider, "the old key stays his");
    }

    function test_aReplacedKeyStaysGoodForTheOverlap() public {
        address second = named("second");
        uint64 overlap = staking.HOT_KEY_OVERLAP();
        pass(1 hours);
        uint64 rotated = time();
        vm.prank(provider);
        staking.rotateHotKey(second);
        pass(1 days);
        assertTrue(!staking.isHotKey(provider, second, rotated - 1), "new key before");
        assertTrue(staking.isHotKey(provider, second, rotated), "new key from then on");
        assertTrue(staking.isHotKey(provider, hotKey, rotated - 1), "old key before");
        assertTrue(staking.isHotKey(provider, hotKey, rotated + overlap - 1), "old key in the overlap");
        assertTrue(!staking.isHotKey(provider, hotKey, rotated + overlap), "old key after the overlap");
        assertTrue(!staking.isHotKey(provider, address(0), rotated), "nobody's key");
        assertTrue(!staking.isHotKey(provider, address(0), 0), "nobody's key at the beginning of time");
        assertTrue(!staking.isHotKey(stranger, hotKey, rotated), "another provider's key");
    }

    function test_rotationRefuses() public {
        address second = named("second");
        uint64 allowedAt = time() + staking.HOT_KEY_OVERLAP();
        vm.startPrank(provider);
        vm.expectRevert(abi.encodeWithSelector(IStaking.RotationTooSoon.selector, allowedAt));
        staking.rotateHotKey(second);
        vm.warp(allowedAt - 1);
        vm.expectRevert(abi.encodeWithSelector(IStaking.RotationTooSoon.selector, allowedAt));
        staking.rotateHotKey(second);
        vm.warp(allowedAt);
        vm.expectRevert(abi.encodeWithSelector(IStaking.ZeroAddress.selector));
        staking.rotateHotKey(address(0));
        vm.expectRevert(abi.encodeWithSelector(IStaking.HotKeyTaken.selector, hotKey, provider));
        staking.rotateHotKey(hotKey);
        staking.rotateHotKey(second);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(IStaking.HotKeyTaken.selector, hotKey, provider));
        vm.prank(stranger);
        staking.registerProvider(hotKey, "https://s");
    }

    /// A key is good at a time exactly if it was current at some moment of the overlap before it.
    function testFuzz_isHotKeyMeansCurrentWithinTheOverlap(uint32[6] memory gaps, uint32 offset) public {
        uint64 overlap = staking.HOT_KEY_OVERLAP();
        uint64[7] memory since;
        address[7] memory keys;
        (since[0], keys[0]) = (time(), hotKey);
        for (uint256 i = 0; i < gaps.length; ++i) {
            pass(overlap + gaps[i] % 2_000);
            (since[i + 1], keys[i + 1]) = (time(), named(vm.toString(i)));
            vm.prank(provider);
            staking.rotateHotKey(keys[i + 1]);
        }
        uint64 probe = since[0] + offset % 20_000;
        for (uint256 i = 0; i < keys.length; ++i) {
            uint64 end = i + 1 < keys.length ? since[i + 1] + overlap : type(uint64).max;
            assertTrue(staking.isHotKey(provider, keys[i], probe) == (probe >= since[i] && probe < end), vm.toString(i));
        }
    }

    function test_receiptsAreCheckedOnChain() public view {
        Receipt memory receipt;
        receipt.job = JOB;
        receipt.model = MODEL;
        receipt.provider = provider;
        receipt.client = client;
        receipt.tier = 1;
        receipt.numerics = 1;
        receipt.time = time();
        bytes memory signature = sign(HOT_KEY, staking.receiptDigest(receipt));
        assertTrue(staking.isSignedReceipt(receipt, signature), "signed");
        assertTrue(!staking.isSignedReceipt(receipt, sign(CLIENT_KEY, staking.receiptDigest(receipt))), "wrong key");
        assertTrue(!staking.isSignedReceipt(receipt, "short"), "no signature");
        receipt.time = time() - 1;
        bytes memory early = sign(HOT_KEY, staking.receiptDigest(receipt));
        assertTrue(!staking.isSignedReceipt(receipt, early), "before registration");
        receipt.time = time();
        receipt.outputs = JOB;
        assertTrue(!staking.isSignedReceipt(receipt, signature), "changed receipt");
    }

    // --- stake in and out ------------------------------------------------------------------------

    function test_stakeComesIn() public {
        uint256 before = token.balanceOf(provider);
        vm.expectEmit(address(staking));
        emit IStaking.Staked(provider, 7);
        _stake(7);
        assertEq(uint256(staking.getProvider(provider).staked), 7, "staked");
        assertEq(staking.totalHeld(), 7, "held");
        assertEq(token.balanceOf(address(staking)), 7, "balance");
        assertEq(token.balanceOf(provider), before - 7, "paid");
        vm.expectRevert(abi.encodeWithSelector(IStaking.ZeroAmount.selector));
        _stake(0);
    }

    function test_unbondingTakesItsTime() public {
        _stake(100);
        uint64 matured = time() + UNBONDING_DELAY;
        vm.expectEmit(address(staking));
        emit IStaking.UnbondRequested(provider, 0, 60, matured);
        assertEq(_unbond(60), 0, "first id");
        Provider memory kept = staking.getProvider(provider);
        assertEq(uint256(kept.staked), 40, "staked");
        assertEq(uint256(kept.unbonding), 60, "unbonding");
        vm.warp(matured - 1);
        vm.expectRevert(abi.encodeWithSelector(IStaking.NotYetWithdrawable.selector, matured));
        _withdraw(0);
        vm.warp(matured);
        uint256 before = token.balanceOf(provider);
        vm.expectEmit(address(staking));
        emit IStaking.Withdrawn(provider, 0, 60);
        _withdraw(0);
        assertEq(token.balanceOf(provider), before + 60, "paid");
        assertEq(staking.slashable(provider), 40, "slashable");
        assertEq(staking.totalHeld(), 40, "held");
        vm.expectRevert(abi.encodeWithSelector(IStaking.UnknownUnbonding.selector, provider, 0));
        _withdraw(0);
    }

    function test_unbondRefuses() public {
        _stake(100);
        vm.expectRevert(abi.encodeWithSelector(IStaking.ZeroAmount.selector));
        _unbond(0);
        vm.expectRevert(abi.encodeWithSelector(IStaking.InsufficientStake.selector, 101, 100));
        _unbond(101);
        vm.expectRevert(abi.encodeWithSelector(IStaking.UnknownUnbonding.selector, provider, 0));
        _withdraw(0);
    }

    function test_pendingUnbondingsAreBounded() public {
        _stake(100);
        for (uint256 i = 0; i < 16; ++i) {
            assertEq(_unbond(1), i, "id");
        }
        vm.expectRevert(abi.encodeWithSelector(IStaking.TooManyUnbondings.selector, 16));
        _unbond(1);
        pass(UNBONDING_DELAY);
        _withdraw(3); // out of order: the oldest still blocks
        vm.expectRevert(abi.encodeWithSelector(IStaking.TooManyUnbondings.selector, 16));
        _unbond(1);
        _withdraw(0);
        (uint256 first, uint256 next) = staking.unbondingRange(provider);
        assertEq(first, 1, "first");
        assertEq(next, 16, "next");
        assertEq(_unbond(1), 16, "room again");
        _withdraw(1);
        _withdraw(2);
        (first,) = staking.unbondingRange(provider);
        assertEq(first, 4, "skips what was withdrawn before");
    }

    // --- slashing --------------------------------------------------------------------------------

    function test_slashSplitsBetweenBeneficiaryAndFire() public {
        _stake(1_000);
        uint256 supply = token.totalSupply();
        vm.expectEmit(address(staking));
        emit IStaking.Slashed(provider, slasher, verifier, 100, 301);
        assertEq(_slash(401, 2_500), 401, "taken");
        assertEq(staking.totalHeld(), 1_000, "nothing has moved");
        (uint128 awarded, uint128 burning) = staking.spoils(verifier);
        assertEq(uint256(awarded), 100, "waits for the beneficiary");
        assertEq(uint256(burning), 301, "waits for the fire");
        vm.expectEmit(address(staking));
        emit IStaking.Collected(verifier, 100, 301);
        vm.prank(stranger);
        assertEq(staking.collect(verifier), 100, "collected");
        assertEq(token.balanceOf(verifier), 100, "award, rounded down");
        assertEq(token.totalSupply(), supply - 301, "burned");
        assertEq(staking.slashable(provider), 599, "left");
        assertEq(staking.totalHeld(), 599, "held");
        assertEq(staking.collect(verifier), 0, "once");
    }

    function test_slashReachesActiveStakeFirstThenTheOldestUnbonding() public {
        _stake(100);
        _unbond(30);
        _unbond(20);
        assertEq(_slash(55, 0), 55, "taken");
        Provider memory kept = staking.getProvider(provider);
        assertEq(uint256(kept.staked), 0, "staked");
        assertEq(uint256(kept.unbonding), 45, "unbonding");
        assertEq(uint256(staking.getUnbonding(provider, 0).amount), 25, "oldest");
        assertEq(uint256(staking.getUnbonding(provider, 1).amount), 20, "newest");
        assertEq(_slash(30, 0), 30, "taken");
        assertEq(uint256(staking.getUnbonding(provider, 0).amount), 0, "oldest gone");
        assertEq(uint256(staking.getUnbonding(provider, 1).amount), 15, "newest reached");
        pass(UNBONDING_DELAY);
        vm.expectRevert(abi.encodeWithSelector(IStaking.UnknownUnbonding.selector, provider, 0));
        _withdraw(0);
        _withdraw(1);
        assertEq(staking.slashable(provider), 0, "all gone");
        staking.collect(verifier);
        assertEq(token.balanceOf(address(staking)), 0, "balance");
    }

    function test_maturedButNotWithdrawnIsStillSlashed() public {
        _stake(100);
        _unbond(100);
        pass(UNBONDING_DELAY + 1 days);
        assertEq(_slash(100, 5_000), 100, "taken");
        vm.expectRevert(abi.encodeWithSelector(IStaking.UnknownUnbonding.selector, provider, 0));
        _withdraw(0);
    }

    function test_slashTakesNoMoreThanThereIs() public {
        _stake(100);
        _unbond(10);
        assertEq(_slash(type(uint256).max, 5_000), 100, "taken");
        assertEq(staking.collect(verifier), 50, "award");
        assertEq(_slash(1, 5_000), 0, "nothing left");
        assertEq(staking.collect(verifier), 0, "award");
        assertEq(token.balanceOf(verifier), 50, "no award from nothing");
    }

    function test_slashedBelowTheMinimumIsInactive() public {
        _stake(MINIMUM_STAKE);
        _slash(1, 0);
        assertTrue(!staking.isActive(provider), "active");
    }

    function test_slashRefuses() public {
        _stake(100);
        bytes32 role = staking.SLASHER_ROLE();
        vm.expectRevert(lacksRole(governance, role));
        vm.prank(governance);
        staking.slash(provider, 1, verifier, 0);
        vm.expectRevert(abi.encodeWithSelector(IStaking.ZeroAmount.selector));
        _slash(0, 0);
        vm.expectRevert(abi.encodeWithSelector(IStaking.AwardTooHigh.selector, 5_001, 5_000));
        _slash(1, 5_001);
        vm.expectRevert(abi.encodeWithSelector(IStaking.ZeroAddress.selector));
        vm.prank(slasher);
        staking.slash(provider, 1, address(0), 0);
    }

    /// Convicting oneself through a friend always costs at least half of the stake.
    function testFuzz_selfConvictionLosesMoney(uint96 stake, uint96 amount, uint16 awardBps) public {
        stake = uint96(bound(stake, 1, 1_000_000e18));
        awardBps = uint16(bound(awardBps, 0, 5_000));
        _stake(stake);
        uint256 taken = _slash(bound(amount, 1, type(uint96).max), awardBps);
        assertTrue(staking.collect(verifier) * 2 <= taken, "award");
    }

    function test_holdDelaysWithdrawalsOnly() public {
        _stake(100);
        _unbond(50);
        pass(UNBONDING_DELAY);
        uint64 until = time() + 3 days;
        vm.expectEmit(address(staking));
        emit IStaking.Held(provider, slasher, until);
        vm.startPrank(slasher);
        staking.hold(provider, until);
        staking.hold(provider, until - 1 days); // does not shorten
        vm.stopPrank();
        assertEq(uint256(staking.getProvider(provider).heldUntil), until, "held until");
        vm.expectRevert(abi.encodeWithSelector(IStaking.NotYetWithdrawable.selector, until));
        _withdraw(0);
        _unbond(50); // still possible
        vm.warp(until);
        _withdraw(0);
    }

    function test_holdRefuses() public {
        bytes32 role = staking.SLASHER_ROLE();
        uint64 limit = time() + staking.MAX_HOLD();
        vm.expectRevert(lacksRole(stranger, role));
        vm.prank(stranger);
        staking.hold(provider, limit);
        vm.startPrank(slasher);
        vm.expectRevert(abi.encodeWithSelector(IStaking.HoldTooLong.selector, limit + 1, limit));
        staking.hold(provider, limit + 1);
        staking.hold(provider, limit);
    }

    // --- a token that calls back -----------------------------------------------------------------

    function test_reentrancyIsRefused() public {
        HostileToken hostile = new HostileToken();
        Staking target = new Staking(IAIVMToken(address(hostile)), address(this), UNBONDING_DELAY, 1);
        hostile.mint(provider, 1_000);
        target.grantRole(target.SLASHER_ROLE(), address(this));
        vm.startPrank(provider);
        hostile.approve(address(target), 1_000);
        target.registerProvider(hotKey, "https://p");
        hostile.attack(address(target), abi.encodeCall(target.stake, (1)));
        target.stake(1_000);
        _refused(hostile);
        target.requestUnbond(100);
        target.requestUnbond(100);
        pass(UNBONDING_DELAY);
        hostile.attack(address(target), abi.encodeCall(target.withdraw, (1)));
        target.withdraw(0);
        _refused(hostile);
        vm.stopPrank();
        target.slash(provider, 10, verifier, 5_000);
        hostile.attack(address(target), abi.encodeCall(target.collect, (verifier)));
        target.collect(verifier);
        _refused(hostile);
        assertEq(hostile.balanceOf(address(target)), target.totalHeld(), "balance");
    }

    function _refused(HostileToken hostile) private view {
        assertTrue(hostile.tried(), "it did call back");
        assertEq(bytes32(hostile.answer()), bytes32(abi.encodeWithSignature("ReentrancyGuardReentrantCall()")), "why");
    }
}
