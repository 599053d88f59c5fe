// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Channel, ChannelStatus, Till} from "../../src/types/Channel.sol";
import {World} from "../support/World.sol";
import {EscrowHandler} from "./EscrowHandler.sol";

contract EscrowInvariants is World {
    EscrowHandler private handler;

    function setUp() public override {
        super.setUp();
        handler = new EscrowHandler(token, registry, escrow, governance);
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
    function invariant_escrow() public view {
        _theBalanceIsWhatChannelsAndTillsHold();
        _moneyInIsMoneyOutPlusMoneyHeld();
        _eachChannelIsSound();
        _tillsHoldWhatChannelsRedeemed();
    }

    function _theBalanceIsWhatChannelsAndTillsHold() private view {
        assertEq(token.balanceOf(address(escrow)), _held(), "balance");
    }

    function _moneyInIsMoneyOutPlusMoneyHeld() private view {
        assertEq(handler.deposited(), handler.refunded() + handler.paidOut() + _held(), "money");
    }

    function _eachChannelIsSound() private view {
        for (uint256 i = 0; i < handler.channelCount(); ++i) {
            Channel memory channel = escrow.getChannel(handler.channels(i));
            assertTrue(channel.redeemed <= channel.deposit, "redeemed more than deposited");
            if (channel.status == ChannelStatus.Closed) {
                assertEq(uint256(channel.redeemed), channel.deposit, "a closed channel holds nothing");
            } else {
                assertEq(uint256(channel.refundableAt), channel.expiry + CHALLENGE_PERIOD, "has a way out");
            }
        }
    }

    function _tillsHoldWhatChannelsRedeemed() private view {
        uint256 fromChannels = 0;
        uint256 inTills = 0;
        for (uint256 i = 0; i < handler.channelCount(); ++i) {
            fromChannels += escrow.getChannel(handler.channels(i)).redeemed;
        }
        for (uint32 i = 1; i <= escrow.tillCount(); ++i) {
            Till memory till = escrow.getTill(i);
            assertTrue(till.paidOut <= till.redeemed, "paid more than redeemed");
            inTills += till.redeemed;
        }
        assertEq(inTills, fromChannels, "redeemed");
    }

    /// Nobody's money is stranded: when all deadlines are over, strangers can send everything home.
    function afterInvariant() public {
        handler.leaveAll();
        assertEq(token.balanceOf(address(escrow)), 0, "left behind");
    }

    function _held() private view returns (uint256 held) {
        for (uint256 i = 0; i < handler.channelCount(); ++i) {
            Channel memory channel = escrow.getChannel(handler.channels(i));
            held += channel.deposit - channel.redeemed;
        }
        for (uint32 i = 1; i <= escrow.tillCount(); ++i) {
            held += escrow.getTill(i).redeemed - escrow.getTill(i).paidOut;
        }
    }
}
