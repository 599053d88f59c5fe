// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AIVMToken} from "../../src/AIVMToken.sol";
import {EscrowManager} from "../../src/EscrowManager.sol";
import {Misconduct} from "../../src/Misconduct.sol";
import {Staking} from "../../src/Staking.sol";
import {Receipt} from "../../src/types/Receipt.sol";
import {Standing, Summons} from "../../src/types/Summons.sol";
import {Test} from "../support/Test.sol";
import {vm} from "../support/Vm.sol";
import {sign} from "../support/Voucher.sol";

/// @notice A provider with four orders, each of which it may have answered in three ways; people who summon and report
/// it, answer for it, and come too late; and governance, which takes the contract's role away and gives it back.
contract MisconductHandler is Test {
    uint256 public constant ORDERS = 4;
    uint256 private constant ANSWERS = 3;
    uint256 private constant HOT_KEY = 0x407;
    uint256 private constant CLIENT_KEY = 0xc11e47;
    uint128 private constant AMOUNT = 1;
    address private constant SUMMONER = address(0x50);
    address private constant REPORTER = address(0x4e);

    AIVMToken private immutable token;
    EscrowManager private immutable escrow;
    Misconduct private immutable misconduct;
    Staking private immutable staking;
    address private immutable governance;
    address private immutable provider;
    bytes32 private immutable channel;
    bytes32 private immutable model;
    uint64 private immutable begun;

    // Counted here and not by the contract.
    uint256 public bondsIn;
    uint256 public bondsHome;
    uint256 public bondsLost;
    uint256 public convictions;
    uint256[ORDERS] public reports; // of each order

    constructor(Misconduct misconduct_, address governance_, address provider_, bytes32 channel_, bytes32 model_) {
        (misconduct, staking) = (misconduct_, Staking(address(misconduct_.staking())));
        (token, escrow) = (AIVMToken(address(misconduct_.token())), EscrowManager(address(misconduct_.escrow())));
        (governance, provider, channel, model, begun) = (governance_, provider_, channel_, model_, time());
    }

    /// Called once, with the tokens to play with.
    function start() external {
        token.transfer(SUMMONER, 100_000e18);
        vm.prank(SUMMONER);
        token.approve(address(misconduct), type(uint256).max);
    }

    // --- moves -----------------------------------------------------------------------------------

    function summon(uint256 order, uint256 answer) external {
        Receipt memory receipt = receiptOf(order, answer);
        bytes memory signature = sign(HOT_KEY, staking.receiptDigest(receipt));
        bool allowed = standingOf(order) == Standing.None && isAppointed() && isOpen();
        uint256 before = token.balanceOf(SUMMONER);
        vm.prank(SUMMONER);
        try misconduct.summon(receipt, signature) {
            assertTrue(allowed, "a summons too many");
            assertEq(before - token.balanceOf(SUMMONER), misconduct.BOND(), "bond");
            bondsIn += misconduct.BOND();
        } catch {
            assertTrue(!allowed, "a summons was refused");
        }
    }

    function show(uint256 order, uint256 answer) external {
        Receipt memory receipt = receiptOf(order, answer);
        bytes32 digest = escrow.voucherDigest(receipt.channel, receipt.sequence, AMOUNT, receipt.job);
        Summons memory pending = misconduct.summonses(idOf(order));
        bool late = pending.standing == Standing.Summoned && time() > pending.deadline;
        bool allowed = (pending.standing == Standing.None || pending.standing == Standing.Summoned) && !late;
        uint256 before = token.balanceOf(provider);
        try misconduct.showAgreement(receipt, AMOUNT, sign(CLIENT_KEY, digest)) {
            assertTrue(allowed, "shown too late, or twice");
            if (pending.standing != Standing.Summoned) return;
            assertEq(token.balanceOf(provider) - before, misconduct.BOND() / 2, "the provider's");
            bondsLost += misconduct.BOND();
        } catch {
            assertTrue(!allowed, "a proof was refused");
        }
    }

    function lapse(uint256 order) external {
        Summons memory pending = misconduct.summonses(idOf(order));
        bool allowed = pending.standing == Standing.Summoned && time() > pending.deadline;
        bool convicts = isAppointed();
        uint256 before = token.balanceOf(SUMMONER);
        Receipt memory receipt = receiptOf(order, 0);
        try misconduct.lapse(receipt.provider, receipt.client, receipt.job) {
            assertTrue(allowed, "ended too early, or twice");
            uint256 paid = token.balanceOf(SUMMONER) - before;
            assertEq(paid, misconduct.BOND() + (convicts ? misconduct.PENALTY() * 2 / 5 : 0), "paid");
            bondsHome += misconduct.BOND();
            if (convicts) ++convictions;
        } catch {
            assertTrue(!allowed, "an end was refused");
        }
    }

    function report(uint256 order, uint256 first, uint256 second) external {
        (Receipt memory one, Receipt memory two) = (receiptOf(order, first), receiptOf(order, second));
        bytes32 seal = misconduct.sealOf(REPORTER, keccak256(abi.encode(one)), keccak256(abi.encode(two)), 0);
        misconduct.announce(seal);
        pass(misconduct.SEALED_FOR());
        bytes memory firstSignature = sign(HOT_KEY, staking.receiptDigest(one));
        bytes memory secondSignature = sign(HOT_KEY, staking.receiptDigest(two));
        bool known = misconduct.convicted(misconduct.claimOf(one)) && misconduct.convicted(misconduct.claimOf(two));
        bool allowed = first % ANSWERS != second % ANSWERS && !known && isAppointed() && isOpen();
        vm.prank(REPORTER);
        try misconduct.equivocation(one, firstSignature, two, secondSignature, 0) {
            assertTrue(allowed, "a report too many");
            ++convictions;
            ++reports[order % ORDERS];
        } catch {
            assertTrue(!allowed, "a report was refused");
        }
    }

    function appoint(bool yes) external {
        bytes32 role = staking.SLASHER_ROLE();
        vm.startPrank(governance);
        if (yes) staking.grantRole(role, address(misconduct));
        else staking.revokeRole(role, address(misconduct));
        vm.stopPrank();
    }

    function wait(uint256 duration) external {
        pass(bound(duration, 1, 9 hours));
    }

    /// Strangers end whatever is left.
    function endAll() external {
        pass(30 days);
        for (uint256 order = 0; order < ORDERS; ++order) {
            if (standingOf(order) != Standing.Summoned) continue;
            Receipt memory receipt = receiptOf(order, 0);
            misconduct.lapse(receipt.provider, receipt.client, receipt.job);
        }
    }

    // --- what is claimed ---------------------------------------------------------------------------

    function receiptOf(uint256 order, uint256 answer) public view returns (Receipt memory receipt) {
        (receipt.channel, receipt.model, receipt.sequence) = (channel, model, uint64(order % ORDERS));
        receipt.outputs = bytes32(answer % ANSWERS);
        (receipt.client, receipt.provider) = (vm.addr(CLIENT_KEY), provider);
        (receipt.tier, receipt.time) = (1, begun);
        receipt.job =
            sha256(abi.encodePacked(receipt.channel, receipt.sequence, receipt.model, receipt.program, receipt.inputs));
    }

    function idOf(uint256 order) public view returns (bytes32) {
        Receipt memory receipt = receiptOf(order, 0);
        return misconduct.orderOf(receipt.provider, receipt.client, receipt.job);
    }

    function standingOf(uint256 order) public view returns (Standing) {
        return misconduct.summonses(idOf(order)).standing;
    }

    function isAppointed() public view returns (bool) {
        return staking.hasRole(staking.SLASHER_ROLE(), address(misconduct));
    }

    function isOpen() public view returns (bool) {
        return time() <= begun + misconduct.WINDOW();
    }
}
