// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {EscrowManager} from "../src/EscrowManager.sol";
import {IEscrowManager} from "../src/interfaces/IEscrowManager.sol";
import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {Channel, ChannelStatus, Till} from "../src/types/Channel.sol";
import {HostileToken} from "./support/HostileToken.sol";
import {vm} from "./support/Vm.sol";
import {World} from "./support/World.sol";

/// @notice How a channel begins, lives and ends. Vouchers are in EscrowManagerVouchers.t.sol.
contract EscrowManagerTest is World {
    function _open(address to, bytes32 model, uint128 amount, uint64 expiry) private returns (bytes32) {
        vm.prank(client);
        return escrow.open(to, model, amount, 0, expiry);
    }

    // --- open ------------------------------------------------------------------------------------

    function test_openKeepsEverything() public {
        uint64 expiry = time() + 30 days;
        bytes32 expected = keccak256(abi.encode(block.chainid, escrow, client, provider, MODEL, bytes32(uint256(9))));
        vm.expectEmit(address(escrow));
        emit IEscrowManager.TillOpened(1, provider, MODEL, ROYALTY_BPS, FEE_BPS);
        vm.expectEmit(address(escrow));
        emit IEscrowManager.ChannelOpened(expected, client, provider, MODEL, 100, expiry, 1);
        vm.prank(client);
        bytes32 id = escrow.open(provider, MODEL, 100, bytes32(uint256(9)), expiry);
        assertEq(id, expected, "id");
        assertEq(escrow.channelId(client, provider, MODEL, bytes32(uint256(9))), expected, "channelId");
        Channel memory channel = escrow.getChannel(id);
        assertEq(channel.client, client, "client");
        assertEq(channel.provider, provider, "provider");
        assertEq(channel.model, MODEL, "model");
        assertEq(uint256(channel.deposit), 100, "deposit");
        assertEq(uint256(channel.redeemed), 0, "nothing redeemed");
        assertEq(uint256(channel.expiry), expiry, "expiry");
        assertEq(uint256(channel.refundableAt), expiry + CHALLENGE_PERIOD, "refundableAt");
        assertEq(uint256(channel.royaltyBps), ROYALTY_BPS, "royalty");
        assertEq(uint256(channel.feeBps), FEE_BPS, "fee");
        assertEq(uint256(channel.status), uint256(ChannelStatus.Open), "status");
        assertEq(token.balanceOf(address(escrow)), 100, "balance");
    }

    function test_openRefuses() public {
        uint64 expiry = time() + 1;
        uint64 most = time() + escrow.MAX_DURATION();
        vm.expectRevert(abi.encodeWithSelector(IEscrowManager.ZeroAddress.selector));
        _open(address(0), MODEL, 1, expiry);
        vm.expectRevert(abi.encodeWithSelector(IEscrowManager.WrongPayee.selector, escrow));
        _open(address(escrow), MODEL, 1, expiry);
        vm.expectRevert(abi.encodeWithSelector(IEscrowManager.ZeroAmount.selector));
        _open(provider, MODEL, 0, expiry);
        vm.expectRevert(abi.encodeWithSelector(IEscrowManager.WrongExpiry.selector, expiry - 1, expiry, most));
        _open(provider, MODEL, 1, expiry - 1);
        vm.expectRevert(abi.encodeWithSelector(IEscrowManager.WrongExpiry.selector, most + 1, expiry, most));
        _open(provider, MODEL, 1, most + 1);
        vm.expectRevert(abi.encodeWithSelector(IEscrowManager.DepositTooLarge.selector, 2 ** 96, 2 ** 96 - 1));
        _open(provider, MODEL, 2 ** 96, expiry);
        vm.expectRevert(abi.encodeWithSelector(IEscrowManager.ModelNotUsable.selector, JOB));
        _open(provider, JOB, 1, expiry);
        bytes32 id = _open(provider, MODEL, 1, expiry);
        vm.expectRevert(abi.encodeWithSelector(IEscrowManager.ChannelExists.selector, id));
        _open(provider, MODEL, 1, expiry);
        assertEq(token.balanceOf(address(escrow)), 1, "balance");
    }

    function test_openNeedsTheMoney() public {
        vm.expectRevert(abi.encodeWithSignature("ERC20InsufficientAllowance(address,uint256,uint256)", escrow, 0, 5));
        vm.prank(stranger);
        escrow.open(provider, MODEL, 5, 0, time() + 1);
    }

    function test_aDeprecatedModelCanBePaidForButARevokedCannot() public {
        vm.prank(publisher);
        registry.deprecate(MODEL);
        openChannel(10, 0);
        vm.prank(governance);
        registry.revoke(MODEL);
        vm.expectRevert(abi.encodeWithSelector(IEscrowManager.ModelNotUsable.selector, MODEL));
        vm.prank(client);
        escrow.open(provider, MODEL, 1, bytes32(uint256(1)), time() + 1);
    }

    function test_channelsOfTheSameTermsShareATill() public {
        bytes32 first = openChannel(10, bytes32(uint256(1)));
        bytes32 second = openChannel(10, bytes32(uint256(2)));
        vm.prank(publisher);
        registry.setRoyalty(MODEL, 3_000);
        bytes32 third = openChannel(10, bytes32(uint256(3)));
        vm.prank(governance);
        escrow.setFee(1_000);
        bytes32 fourth = openChannel(10, bytes32(uint256(4)));
        assertEq(uint256(escrow.getChannel(first).till), 1, "first");
        assertEq(uint256(escrow.getChannel(second).till), 1, "second");
        assertEq(uint256(escrow.getChannel(third).till), 2, "another royalty");
        assertEq(uint256(escrow.getChannel(fourth).till), 3, "another fee");
        assertEq(uint256(escrow.tillCount()), 3, "tills");
        assertEq(uint256(escrow.getChannel(first).royaltyBps), ROYALTY_BPS, "an open channel keeps its royalty");
        assertEq(uint256(escrow.getChannel(third).feeBps), FEE_BPS, "an open channel keeps its fee");
        Till memory till = escrow.getTill(2);
        assertEq(till.provider, provider, "provider");
        assertEq(till.model, MODEL, "model");
        assertEq(uint256(till.royaltyBps), 3_000, "royalty");
    }

    // --- top up, extend --------------------------------------------------------------------------

    function test_anyoneTopsUp() public {
        bytes32 id = openChannel(10);
        give(stranger, 5, address(escrow));
        vm.expectEmit(address(escrow));
        emit IEscrowManager.ChannelToppedUp(id, 5, 15);
        vm.prank(stranger);
        escrow.topUp(id, 5);
        assertEq(uint256(escrow.getChannel(id).deposit), 15, "deposit");
        assertEq(token.balanceOf(address(escrow)), 15, "balance");
    }

    function test_topUpRefuses() public {
        bytes32 id = openChannel(10);
        vm.startPrank(client);
        vm.expectRevert(abi.encodeWithSelector(IEscrowManager.ZeroAmount.selector));
        escrow.topUp(id, 0);
        vm.expectRevert(abi.encodeWithSelector(IEscrowManager.UnknownChannel.selector, JOB));
        escrow.topUp(JOB, 1);
        uint256 over = uint256(10) + type(uint128).max;
        vm.expectRevert(abi.encodeWithSelector(IEscrowManager.DepositTooLarge.selector, over, 2 ** 96 - 1));
        escrow.topUp(id, type(uint128).max);
        uint64 expiry = escrow.getChannel(id).expiry;
        vm.warp(expiry);
        vm.expectRevert(abi.encodeWithSelector(IEscrowManager.ChannelExpired.selector, id, expiry));
        escrow.topUp(id, 1);
    }

    function test_theClientExtends() public {
        bytes32 id = openChannel(10);
        uint64 later = time() + 60 days;
        vm.expectEmit(address(escrow));
        emit IEscrowManager.ChannelExtended(id, later);
        vm.prank(client);
        escrow.extend(id, later);
        assertEq(uint256(escrow.getChannel(id).expiry), later, "expiry");
    }

    function test_extendRefuses() public {
        bytes32 id = openChannel(10);
        uint64 expiry = escrow.getChannel(id).expiry;
        uint64 most = time() + escrow.MAX_DURATION();
        vm.expectRevert(abi.encodeWithSelector(IEscrowManager.NotClient.selector, provider, client));
        vm.prank(provider);
        escrow.extend(id, expiry + 1);
        vm.startPrank(client);
        vm.expectRevert(abi.encodeWithSelector(IEscrowManager.WrongExpiry.selector, expiry, expiry + 1, most));
        escrow.extend(id, expiry);
        vm.expectRevert(abi.encodeWithSelector(IEscrowManager.WrongExpiry.selector, most + 1, expiry + 1, most));
        escrow.extend(id, most + 1);
        escrow.requestClose(id);
        vm.expectRevert(abi.encodeWithSelector(IEscrowManager.ChannelExpired.selector, id, time()));
        escrow.extend(id, expiry + 1);
    }

    // --- the end ---------------------------------------------------------------------------------

    function test_theClientClosesWithADelay() public {
        bytes32 id = openChannel(10);
        uint64 refundableAt = time() + CHALLENGE_PERIOD;
        vm.expectEmit(address(escrow));
        emit IEscrowManager.CloseRequested(id, refundableAt);
        vm.prank(client);
        escrow.requestClose(id);
        Channel memory channel = escrow.getChannel(id);
        assertEq(uint256(channel.status), uint256(ChannelStatus.Closing), "status");
        assertEq(uint256(channel.refundableAt), refundableAt, "refundableAt");
        vm.warp(refundableAt - 1);
        vm.expectRevert(abi.encodeWithSelector(IEscrowManager.NotYetRefundable.selector, id, refundableAt));
        escrow.finalize(id);
        vm.warp(refundableAt);
        uint256 before = token.balanceOf(client);
        vm.expectEmit(address(escrow));
        emit IEscrowManager.ChannelClosed(id, 10);
        vm.prank(stranger); // anyone
        assertEq(uint256(escrow.finalize(id)), 10, "refund");
        assertEq(token.balanceOf(client), before + 10, "client");
        assertEq(token.balanceOf(address(escrow)), 0, "balance");
        channel = escrow.getChannel(id);
        assertEq(uint256(channel.status), uint256(ChannelStatus.Closed), "status");
        assertEq(channel.client, client, "the client stays known");
        assertEq(uint256(channel.deposit) + channel.expiry + channel.refundableAt, 0, "nothing left");
    }

    function test_theProviderClosesAtOnce() public {
        bytes32 id = openChannel(10);
        redeem(voucher(id, 1, 4));
        uint256 before = token.balanceOf(client);
        vm.expectRevert(abi.encodeWithSelector(IEscrowManager.NotProvider.selector, client, provider));
        vm.prank(client);
        escrow.close(id);
        vm.prank(provider);
        assertEq(uint256(escrow.close(id)), 6, "refund");
        assertEq(token.balanceOf(client), before + 6, "client");
        assertEq(token.balanceOf(address(escrow)), 4, "waits in the till");
    }

    function test_anExpiredChannelIsRefundedByAnyone() public {
        bytes32 id = openChannel(10);
        uint64 expiry = escrow.getChannel(id).expiry;
        vm.warp(expiry);
        assertEq(uint256(escrow.getChannel(id).status), uint256(ChannelStatus.Closing), "closing by itself");
        vm.expectRevert(abi.encodeWithSelector(IEscrowManager.NotYetRefundable.selector, id, expiry + CHALLENGE_PERIOD));
        escrow.finalize(id);
        vm.warp(expiry + CHALLENGE_PERIOD);
        assertEq(uint256(escrow.finalize(id)), 10, "refund");
    }

    function test_anEmptyChannelCloses() public {
        bytes32 id = openChannel(10);
        redeem(voucher(id, 1, 10));
        vm.prank(provider);
        assertEq(uint256(escrow.close(id)), 0, "refund");
    }

    function test_aClosedChannelStaysClosed() public {
        bytes32 id = openChannel(10);
        vm.prank(provider);
        escrow.close(id);
        bytes memory closed = abi.encodeWithSelector(IEscrowManager.AlreadyClosed.selector, id);
        vm.expectRevert(closed);
        vm.prank(provider);
        escrow.close(id);
        vm.expectRevert(closed);
        escrow.finalize(id);
        vm.startPrank(client);
        vm.expectRevert(closed);
        escrow.requestClose(id);
        vm.expectRevert(closed);
        escrow.topUp(id, 1);
        vm.expectRevert(closed);
        escrow.extend(id, time() + 90 days);
        uint64 expiry = time() + 1;
        vm.expectRevert(abi.encodeWithSelector(IEscrowManager.ChannelExists.selector, id)); // old vouchers exist
        escrow.open(provider, MODEL, 10, 0, expiry);
    }

    function test_anUnknownChannelHasNoLife() public {
        bytes memory unknown = abi.encodeWithSelector(IEscrowManager.UnknownChannel.selector, JOB);
        vm.expectRevert(unknown);
        escrow.getChannel(JOB);
        vm.expectRevert(unknown);
        escrow.close(JOB);
        vm.expectRevert(unknown);
        escrow.finalize(JOB);
        vm.expectRevert(unknown);
        escrow.requestClose(JOB);
        vm.expectRevert(unknown);
        escrow.isSignedVoucher(JOB, 1, 1, JOB, "");
    }

    function test_requestCloseIsTheClientsAndOnce() public {
        bytes32 id = openChannel(10);
        vm.expectRevert(abi.encodeWithSelector(IEscrowManager.NotClient.selector, provider, client));
        vm.prank(provider);
        escrow.requestClose(id);
        vm.startPrank(client);
        escrow.requestClose(id);
        uint64 expiry = time();
        pass(1 hours);
        vm.expectRevert(abi.encodeWithSelector(IEscrowManager.ChannelExpired.selector, id, expiry));
        escrow.requestClose(id); // would not put off the refund either
    }

    // --- governance ------------------------------------------------------------------------------

    function test_onlyGovernanceSetsFeeAndTreasury() public {
        vm.startPrank(stranger);
        vm.expectRevert(lacksRole(stranger, 0));
        escrow.setFee(0);
        vm.expectRevert(lacksRole(stranger, 0));
        escrow.setTreasury(stranger);
        vm.stopPrank();
        vm.startPrank(governance);
        vm.expectRevert(abi.encodeWithSelector(IEscrowManager.FeeTooHigh.selector, 1_001, 1_000));
        escrow.setFee(1_001);
        vm.expectRevert(abi.encodeWithSelector(IEscrowManager.ZeroAddress.selector));
        escrow.setTreasury(address(0));
        vm.expectRevert(abi.encodeWithSelector(IEscrowManager.WrongPayee.selector, escrow));
        escrow.setTreasury(address(escrow));
        vm.expectEmit(address(escrow));
        emit IEscrowManager.FeeChanged(0);
        escrow.setFee(0);
        vm.expectEmit(address(escrow));
        emit IEscrowManager.TreasuryChanged(stranger);
        escrow.setTreasury(stranger);
        assertEq(uint256(escrow.feeBps()), 0, "fee");
        assertEq(escrow.treasury(), stranger, "treasury");
    }

    function test_constructorRefusesNonsense() public {
        bytes memory zero = abi.encodeWithSelector(IEscrowManager.ZeroAddress.selector);
        vm.expectRevert(zero);
        new EscrowManager(IERC20(address(0)), registry, governance, treasury, 0, 1 days);
        vm.expectRevert(zero);
        new EscrowManager(token, IModelRegistry(address(0)), governance, treasury, 0, 1 days);
        vm.expectRevert(zero);
        new EscrowManager(token, registry, address(0), treasury, 0, 1 days);
        vm.expectRevert(zero);
        new EscrowManager(token, registry, governance, address(0), 0, 1 days);
        vm.expectRevert(abi.encodeWithSelector(IEscrowManager.FeeTooHigh.selector, 1_001, 1_000));
        new EscrowManager(token, registry, governance, treasury, 1_001, 1 days);
        vm.expectRevert(abi.encodeWithSelector(IEscrowManager.OutOfRange.selector, 59, 60, 30 days));
        new EscrowManager(token, registry, governance, treasury, 0, 59);
        vm.expectRevert(abi.encodeWithSelector(IEscrowManager.OutOfRange.selector, 30 days + 1, 60, 30 days));
        new EscrowManager(token, registry, governance, treasury, 0, 30 days + 1);
    }

    // --- a token that calls back -----------------------------------------------------------------

    function test_reentrancyIsRefused() public {
        HostileToken hostile = new HostileToken();
        escrow = new EscrowManager(hostile, registry, governance, treasury, FEE_BPS, CHALLENGE_PERIOD);
        hostile.mint(client, 1_000);
        vm.prank(client);
        hostile.approve(address(escrow), 1_000);
        uint64 expiry = time() + 30 days;

        hostile.attack(address(escrow), abi.encodeCall(escrow.open, (provider, MODEL, 1, bytes32(uint256(1)), expiry)));
        bytes32 id = openChannel(100);
        _refused(hostile);
        hostile.attack(address(escrow), abi.encodeCall(escrow.topUp, (id, 1)));
        vm.prank(client);
        escrow.topUp(id, 10);
        _refused(hostile);
        redeem(voucher(id, 1, 50));
        hostile.attack(address(escrow), abi.encodeCall(escrow.payOut, (1)));
        escrow.payOut(1);
        _refused(hostile);
        bytes32 other = openChannel(20, JOB);
        vm.prank(client);
        escrow.requestClose(other);
        pass(CHALLENGE_PERIOD);
        hostile.attack(address(escrow), abi.encodeCall(escrow.finalize, (other)));
        vm.prank(provider);
        escrow.close(id);
        _refused(hostile);
        escrow.finalize(other);
        assertEq(hostile.balanceOf(address(escrow)), 0, "all money has left, to the right people");
        assertEq(hostile.balanceOf(client), 950, "client");
    }

    function _refused(HostileToken hostile) private view {
        assertTrue(hostile.tried(), "it did call back");
        assertEq(bytes32(hostile.answer()), bytes32(abi.encodeWithSignature("ReentrancyGuardReentrantCall()")), "why");
    }
}
