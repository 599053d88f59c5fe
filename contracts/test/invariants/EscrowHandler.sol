// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AIVMToken} from "../../src/AIVMToken.sol";
import {EscrowManager} from "../../src/EscrowManager.sol";
import {ModelRegistry} from "../../src/ModelRegistry.sol";
import {Channel, ChannelStatus, Redemption} from "../../src/types/Channel.sol";
import {Test} from "../support/Test.sol";
import {vm} from "../support/Vm.sol";
import {Voucher, compact, signVoucher} from "../support/Voucher.sol";

/// @notice Clients, providers and publishers who do anything that is allowed, in any order; and liars.
contract EscrowHandler is Test {
    AIVMToken private immutable token;
    ModelRegistry private immutable registry;
    EscrowManager private immutable escrow;
    address private immutable governance;

    uint256[3] private clientKeys = [uint256(0xc1), 0xc2, 0xc3];
    address[3] public providers = [address(0xa1), address(0xa2), address(0xa3)];
    address[2] private publishers = [address(0xb1), address(0xb2)];
    bytes32[2] private models = [keccak256("m1"), keccak256("m2")];

    bytes32[] public channels;
    uint256 private _salt;

    // What went in and out, counted here and not by the contract.
    uint256 public deposited;
    uint256 public refunded;
    uint256 public paidOut;

    constructor(AIVMToken token_, ModelRegistry registry_, EscrowManager escrow_, address governance_) {
        (token, registry, escrow, governance) = (token_, registry_, escrow_, governance_);
    }

    /// Called once, with the tokens to play with.
    function start() external {
        for (uint256 i = 0; i < clientKeys.length; ++i) {
            address client = vm.addr(clientKeys[i]);
            token.transfer(client, 1_000_000e18);
            vm.prank(client);
            token.approve(address(escrow), type(uint256).max);
        }
        for (uint256 i = 0; i < models.length; ++i) {
            string memory name = string.concat("p", vm.toString(i), "/m");
            vm.prank(publishers[i]);
            registry.register(name, "1.0.0", models[i], models[i], uint16(777 * i), "u");
        }
    }

    // --- moves -----------------------------------------------------------------------------------

    function open(uint256 who, uint256 whom, uint256 what, uint256 amount, uint256 lasts) external {
        if (channels.length == 40) return;
        amount = _money(amount);
        vm.prank(vm.addr(clientKeys[who % 3]));
        bytes32 channel = escrow.open(
            providers[whom % 3],
            models[what % 2],
            uint128(amount),
            bytes32(++_salt),
            time() + uint64(bound(lasts, 1, 20 days))
        );
        channels.push(channel);
        deposited += amount;
    }

    function topUp(uint256 which, uint256 who, uint256 amount) external {
        (bytes32 id, Channel memory channel) = _pick(which);
        if (channel.status != ChannelStatus.Open) return;
        amount = _money(amount);
        vm.prank(vm.addr(clientKeys[who % 3]));
        escrow.topUp(id, uint128(amount));
        deposited += amount;
    }

    function redeem(uint256 which, uint256 rise, uint64 sequence) external {
        (bytes32 id, Channel memory channel) = _pick(which);
        if (!_isAlive(channel) || channel.redeemed == channel.deposit) return;
        uint128 amount = channel.redeemed + uint128(bound(rise, 1, uint256(channel.deposit) * 2));
        Voucher memory v = _voucher(id, sequence, amount);
        uint256 paid = escrow.redeem(id, v.sequence, v.amount, v.job, v.signature);
        uint256 left = channel.deposit - channel.redeemed;
        uint256 due = amount - channel.redeemed;
        assertEq(paid, due < left ? due : left, "redeem pays the rise, at most what is left");
    }

    /// Good, doubled, smaller and forged vouchers in one batch, their sequences in any order.
    function redeemMany(uint256 which, uint256 seed, uint64 sequence) external {
        (bytes32 id, Channel memory channel) = _pick(which);
        if (channel.client == address(0)) return;
        uint128 amount = uint128(bound(seed, 0, uint256(channel.deposit) * 2));
        Redemption[] memory batch = new Redemption[](4);
        batch[0] = compact(_voucher(id, sequence, amount));
        batch[1] = batch[0];
        batch[2] = compact(_voucher(id, ~sequence, amount / 2));
        batch[3] = compact(_voucher(id, sequence, amount));
        batch[3].amount += 1;
        uint256 balance = token.balanceOf(address(escrow));
        uint256 paid = escrow.redeemMany(batch);
        uint256 owed = amount < channel.deposit ? amount : channel.deposit;
        bool pays = _isAlive(channel) && owed > channel.redeemed;
        assertEq(paid, pays ? owed - channel.redeemed : 0, "the first pays the rise, the others nothing");
        assertEq(token.balanceOf(address(escrow)), balance, "redeeming moves no token");
    }

    function payOut(uint256 which) external {
        uint32 count = escrow.tillCount();
        if (count == 0) return;
        uint32 till = uint32(which % count) + 1;
        if (escrow.getTill(till).redeemed == escrow.getTill(till).paidOut) return;
        (uint128 a, uint128 b, uint128 c) = escrow.payOut(till);
        paidOut += uint256(a) + b + c;
    }

    function extend(uint256 which, uint256 by) external {
        (bytes32 id, Channel memory channel) = _pick(which);
        if (channel.status != ChannelStatus.Open) return;
        vm.prank(channel.client);
        escrow.extend(id, channel.expiry + uint64(bound(by, 1, 1 days)));
    }

    function requestClose(uint256 which) external {
        (bytes32 id, Channel memory channel) = _pick(which);
        if (channel.status != ChannelStatus.Open) return;
        vm.prank(channel.client);
        escrow.requestClose(id);
    }

    function close(uint256 which) external {
        (bytes32 id, Channel memory channel) = _pick(which);
        if (!_isAlive(channel) || which % 5 != 0) return; // not too often
        vm.prank(channel.provider);
        refunded += escrow.close(id);
    }

    function finalize(uint256 which) external {
        (bytes32 id, Channel memory channel) = _pick(which);
        if (!_isAlive(channel)) return;
        if (time() >= channel.refundableAt) {
            refunded += escrow.finalize(id);
        } else {
            try escrow.finalize(id) {
                revert("refunded too early");
            } catch {}
        }
    }

    function changeTerms(uint256 which, uint256 royaltyBps, uint256 feeBps) external {
        vm.prank(publishers[which % 2]);
        registry.setRoyalty(models[which % 2], uint16(royaltyBps % 4) * 1_000);
        vm.prank(governance);
        escrow.setFee(uint16(feeBps % 3) * 333);
    }

    function wait(uint256 duration) external {
        pass(bound(duration, 1, 2 days));
    }

    // --- what the invariants ask -----------------------------------------------------------------

    function channelCount() external view returns (uint256) {
        return channels.length;
    }

    /// Everybody walks out of every door.
    function leaveAll() external {
        pass(40 days);
        for (uint256 i = 0; i < channels.length; ++i) {
            if (escrow.getChannel(channels[i]).status == ChannelStatus.Closing) escrow.finalize(channels[i]);
        }
        for (uint32 till = 1; till <= escrow.tillCount(); ++till) {
            if (escrow.getTill(till).redeemed > escrow.getTill(till).paidOut) escrow.payOut(till);
        }
    }

    // --- parts -----------------------------------------------------------------------------------

    function _pick(uint256 which) private view returns (bytes32 id, Channel memory channel) {
        if (channels.length == 0) return (id, channel);
        id = channels[which % channels.length];
        channel = escrow.getChannel(id);
    }

    function _isAlive(Channel memory channel) private pure returns (bool) {
        return channel.status == ChannelStatus.Open || channel.status == ChannelStatus.Closing;
    }

    /// Dust as often as real money.
    function _money(uint256 seed) private pure returns (uint256) {
        return seed % 2 == 0 ? bound(seed, 1, 50) : bound(seed, 1, 1_000e18);
    }

    function _voucher(bytes32 id, uint64 sequence, uint128 amount) private view returns (Voucher memory) {
        address client = escrow.getChannel(id).client;
        uint256 key = 0;
        for (uint256 i = 0; i < clientKeys.length; ++i) {
            if (vm.addr(clientKeys[i]) == client) key = clientKeys[i];
        }
        return signVoucher(escrow, key, id, sequence, amount, id);
    }
}
