// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AIVMToken} from "../src/AIVMToken.sol";
import {Test} from "./support/Test.sol";
import {vm} from "./support/Vm.sol";

contract AIVMTokenTest is Test {
    uint256 private constant KEY = 0xa11ce;
    address private immutable alice = vm.addr(KEY);
    address private constant BOB = address(0xb0b);

    AIVMToken private token;

    function setUp() public {
        vm.warp(1_800_000_000);
        token = new AIVMToken(alice);
    }

    function test_wholeSupplyGoesToTheHolder() public view {
        assertEq(token.name(), "AIVM", "name");
        assertEq(token.symbol(), "AIVM", "symbol");
        assertEq(uint256(token.decimals()), 18, "decimals");
        assertEq(token.totalSupply(), 1_000_000_000e18, "supply");
        assertEq(token.balanceOf(alice), token.MAX_SUPPLY(), "holder");
    }

    function testFuzz_burnShrinksTheSupply(uint256 amount) public {
        amount = bound(amount, 0, token.MAX_SUPPLY());
        vm.prank(alice);
        token.burn(amount);
        assertEq(token.totalSupply(), token.MAX_SUPPLY() - amount, "supply");
        assertEq(token.balanceOf(alice), token.totalSupply(), "holder");
    }

    function test_burnFromNeedsAnAllowance() public {
        vm.expectRevert(abi.encodeWithSignature("ERC20InsufficientAllowance(address,uint256,uint256)", BOB, 0, 1));
        vm.prank(BOB);
        token.burnFrom(alice, 1);
        vm.prank(alice);
        token.approve(BOB, 5);
        vm.prank(BOB);
        token.burnFrom(alice, 5);
        assertEq(token.totalSupply(), token.MAX_SUPPLY() - 5, "supply");
    }

    function test_votesFollowDelegationAndAreCountedByTime() public {
        vm.prank(alice);
        token.delegate(BOB);
        assertEq(token.CLOCK_MODE(), "mode=timestamp", "mode");
        assertEq(uint256(token.clock()), time(), "clock");
        assertEq(token.getVotes(BOB), token.MAX_SUPPLY(), "votes");
        uint64 before = time();
        pass(1);
        vm.prank(alice);
        token.transfer(address(0xc), 10);
        pass(1);
        assertEq(token.getPastVotes(BOB, before), token.MAX_SUPPLY(), "votes then");
        assertEq(token.getPastVotes(BOB, before + 1), token.MAX_SUPPLY() - 10, "votes after the transfer");
    }

    function test_permitApprovesOnce() public {
        uint256 deadline = time() + 1 hours;
        bytes32 typehash =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        bytes32 permit = keccak256(abi.encode(typehash, alice, BOB, 7, token.nonces(alice), deadline));
        bytes32 digest = keccak256(abi.encodePacked("\x19\x01", token.DOMAIN_SEPARATOR(), permit));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(KEY, digest);
        token.permit(alice, BOB, 7, deadline, v, r, s);
        assertEq(token.allowance(alice, BOB), 7, "allowance");
        assertEq(token.nonces(alice), 1, "nonce");
        try token.permit(alice, BOB, 7, deadline, v, r, s) {
            revert("a permit was used twice");
        } catch {}
    }
}
