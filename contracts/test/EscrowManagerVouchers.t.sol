// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EscrowManager} from "../src/EscrowManager.sol";
import {IEscrowManager} from "../src/interfaces/IEscrowManager.sol";
import {Channel, Redemption, Till} from "../src/types/Channel.sol";
import {ContractWallet} from "./support/ContractWallet.sol";
import {vm} from "./support/Vm.sol";
import {Voucher, compact, sign} from "./support/Voucher.sol";
import {World} from "./support/World.sol";

/// @notice Vouchers, tills, and who is paid what.
contract EscrowManagerVouchersTest is World {
    uint256 private constant N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141; // of secp256k1

    bytes32 private channel;

    function setUp() public override {
        super.setUp();
        channel = openChannel(10_000);
    }

    function _refuses(Voucher memory v, bytes memory problem) private {
        vm.expectRevert(problem);
        redeem(v);
    }

    function _nothing(uint128 amount, uint128 redeemed) private view returns (bytes memory) {
        return abi.encodeWithSelector(IEscrowManager.NothingToRedeem.selector, channel, amount, redeemed);
    }

    // --- redeem ----------------------------------------------------------------------------------

    function test_redeemPaysTheDifference() public {
        vm.expectEmit(address(escrow));
        emit IEscrowManager.Redeemed(channel, 1, 300, JOB);
        assertEq(uint256(redeem(voucher(channel, 1, 300))), 300, "first");
        vm.expectEmit(address(escrow));
        emit IEscrowManager.Redeemed(channel, 7, 700, JOB);
        vm.prank(stranger); // anyone may, for the provider
        assertEq(uint256(redeem(voucher(channel, 7, 1_000))), 700, "second");
        Channel memory kept = escrow.getChannel(channel);
        assertEq(uint256(kept.redeemed), 1_000, "redeemed");
        assertEq(uint256(kept.deposit), 10_000, "deposit");
        Till memory till = escrow.getTill(kept.till);
        assertEq(uint256(till.redeemed), 1_000, "till");
        assertEq(uint256(till.paidOut), 0, "nothing paid yet");
        assertEq(token.balanceOf(address(escrow)), 10_000, "no token moved");
    }

    function test_aVoucherIsRedeemedOnce() public {
        Voucher memory v = voucher(channel, 1, 300);
        redeem(v);
        _refuses(v, _nothing(300, 300));
    }

    function test_onlyTheAmountDecidesWhetherAVoucherPays() public {
        redeem(voucher(channel, 5, 300));
        _refuses(voucher(channel, 4, 299), _nothing(299, 300));
        _refuses(voucher(channel, 4, 300), _nothing(300, 300));
        _refuses(voucher(channel, 6, 299), _nothing(299, 300));
        _refuses(voucher(channel, 6, 300), _nothing(300, 300));
        assertEq(uint256(redeem(voucher(channel, 4, 900))), 600, "an older sequence");
        assertEq(uint256(redeem(voucher(channel, 4, 901))), 1, "the same sequence");
        assertEq(uint256(redeem(voucher(channel, 0, 902))), 1, "sequence 0");
    }

    /// What a client signs for itself, and redeems first, takes nothing from the provider.
    function testFuzz_aClientCannotSpoilTheProvidersVoucher(uint64 sequence, uint128 amount, uint128 earned) public {
        earned = uint128(bound(earned, 1, 10_000));
        amount = uint128(bound(amount, 1, 20_000));
        Voucher memory held = voucher(channel, 1, earned);
        Voucher memory trick = voucher(channel, sequence, amount);
        vm.prank(client);
        redeem(trick);
        if (amount < earned) assertEq(uint256(redeem(held)), earned - amount, "the rest");
        assertTrue(escrow.getTill(1).redeemed >= earned, "the provider has all it earned");
    }

    function test_theHighestSequenceForOneUnitSpoilsNothing() public {
        Voucher memory held = voucher(channel, 1, 300);
        vm.prank(client);
        redeem(voucher(channel, type(uint64).max, 1));
        assertEq(uint256(redeem(held)), 299, "paid");
        assertEq(uint256(escrow.getTill(1).redeemed), 300, "till");
    }

    function test_aVoucherOverTheDepositPaysTheDeposit() public {
        assertEq(uint256(redeem(voucher(channel, 1, 10_001))), 10_000, "paid");
        assertEq(uint256(escrow.getChannel(channel).redeemed), 10_000, "redeemed");
        _refuses(voucher(channel, 2, 20_000), _nothing(20_000, 10_000));
        vm.prank(client);
        escrow.topUp(channel, 1);
        assertEq(uint256(redeem(voucher(channel, 2, type(uint128).max))), 1, "the top-up");
    }

    function test_forgeriesAreRefused() public {
        bytes memory bad = abi.encodeWithSelector(IEscrowManager.BadSignature.selector, channel, client);
        bytes32 other = openChannel(10, JOB);
        Voucher memory v = voucher(channel, 1, 300);

        Voucher memory forged = abi.decode(abi.encode(v), (Voucher));
        forged.amount = 301;
        _refuses(forged, bad);
        forged = abi.decode(abi.encode(v), (Voucher));
        forged.sequence = 2;
        _refuses(forged, bad);
        forged = abi.decode(abi.encode(v), (Voucher));
        forged.job = bytes32(uint256(JOB) + 1);
        _refuses(forged, bad);
        forged.channel = other;
        forged.job = JOB;
        _refuses(forged, abi.encodeWithSelector(IEscrowManager.BadSignature.selector, other, client));
        forged = abi.decode(abi.encode(v), (Voucher));
        forged.signature = sign(HOT_KEY, escrow.voucherDigest(channel, 1, 300, JOB));
        _refuses(forged, bad);
        forged.signature = "";
        _refuses(forged, bad);
        forged.signature = bytes.concat(v.signature, hex"00");
        _refuses(forged, bad);
        forged.signature = new bytes(65); // recovers to the zero address
        _refuses(forged, bad);
        forged.signature = _malleated(v.signature);
        _refuses(forged, bad);
        assertEq(uint256(redeem(v)), 300, "the true one is still good");
    }

    function test_aVoucherIsGoodForOneContractAndChainOnly() public {
        Voucher memory v = voucher(channel, 1, 300);
        EscrowManager twin = new EscrowManager(token, registry, governance, treasury, FEE_BPS, CHALLENGE_PERIOD);
        assertTrue(twin.voucherDigest(channel, 1, 300, JOB) != escrow.voucherDigest(channel, 1, 300, JOB), "twin");
        vm.chainId(777);
        _refuses(v, abi.encodeWithSelector(IEscrowManager.BadSignature.selector, channel, client));
    }

    function test_unknownAndClosedChannelsPayNothing() public {
        _refuses(voucher(JOB, 1, 1), abi.encodeWithSelector(IEscrowManager.UnknownChannel.selector, JOB));
        vm.prank(provider);
        escrow.close(channel);
        _refuses(voucher(channel, 1, 1), abi.encodeWithSelector(IEscrowManager.AlreadyClosed.selector, channel));
    }

    function test_theProviderCanRedeemUntilTheRefund() public {
        vm.prank(client);
        escrow.requestClose(channel);
        pass(CHALLENGE_PERIOD - 1);
        redeem(voucher(channel, 1, 300));
        pass(30 days); // nobody has finalized yet
        redeem(voucher(channel, 2, 500));
        assertEq(uint256(escrow.finalize(channel)), 9_500, "refund");
    }

    function test_isSignedVoucherAnswersWithoutRedeeming() public {
        Voucher memory v = voucher(channel, 3, 300);
        assertTrue(escrow.isSignedVoucher(channel, 3, 300, JOB, v.signature), "signed");
        assertTrue(!escrow.isSignedVoucher(channel, 3, 301, JOB, v.signature), "not signed");
        redeem(v);
        vm.prank(provider);
        escrow.close(channel);
        assertTrue(escrow.isSignedVoucher(channel, 3, 300, JOB, v.signature), "still signed afterwards");
    }

    function test_aClientCanBeAContract() public {
        ContractWallet wallet = new ContractWallet();
        token.transfer(address(wallet), 100);
        bytes32 id = wallet.open(escrow, provider, MODEL, 100);
        Voucher memory v = Voucher(id, 1, 60, JOB, "anything");
        _refuses(v, abi.encodeWithSelector(IEscrowManager.BadSignature.selector, id, wallet));
        wallet.accept(escrow.voucherDigest(id, 1, 60, JOB), true);
        assertEq(uint256(redeem(v)), 60, "paid");
    }

    // --- redeemMany ------------------------------------------------------------------------------

    function test_redeemManySkipsTheBadOnes() public {
        bytes32 second = openChannel(100, bytes32(uint256(2)));
        bytes32 third = openChannel(100, bytes32(uint256(3)));
        vm.prank(provider);
        escrow.close(third);
        Redemption[] memory batch = new Redemption[](6);
        batch[0] = compact(voucher(channel, 2, 300));
        batch[1] = compact(voucher(channel, 1, 200)); // less than the one before
        batch[2] = compact(voucher(JOB, 1, 1)); // no such channel
        batch[3] = compact(voucher(third, 1, 1)); // closed
        batch[4] = compact(voucher(second, 1, 50));
        batch[4].amount = 51; // forged
        batch[5] = compact(voucher(second, 1, 50));
        vm.expectEmit(address(escrow));
        emit IEscrowManager.Redeemed(channel, 2, 300, JOB);
        _expectSkip(channel, 1, IEscrowManager.NothingToRedeem.selector);
        _expectSkip(JOB, 1, IEscrowManager.UnknownChannel.selector);
        _expectSkip(third, 1, IEscrowManager.AlreadyClosed.selector);
        _expectSkip(second, 1, IEscrowManager.BadSignature.selector);
        vm.expectEmit(address(escrow));
        emit IEscrowManager.Redeemed(second, 1, 50, JOB);
        assertEq(uint256(escrow.redeemMany(batch)), 350, "paid");
        _expectSkip(channel, 2, IEscrowManager.NothingToRedeem.selector);
        assertEq(uint256(escrow.redeemMany(batch)), 0, "again");
        assertEq(uint256(escrow.getTill(1).redeemed), 350, "till");
    }

    function _expectSkip(bytes32 id, uint64 sequence, bytes4 reason) private {
        vm.expectEmit(address(escrow));
        emit IEscrowManager.RedemptionSkipped(id, sequence, reason);
    }

    function test_multicallRedeemsPaysAndCloses() public {
        Voucher memory v = voucher(channel, 1, 8_000);
        bytes[] memory calls = new bytes[](3);
        calls[0] = abi.encodeCall(escrow.redeem, (v.channel, v.sequence, v.amount, v.job, v.signature));
        calls[1] = abi.encodeCall(escrow.payOut, (1));
        calls[2] = abi.encodeCall(escrow.close, (channel));
        uint256 before = token.balanceOf(provider);
        vm.prank(provider);
        escrow.multicall(calls);
        assertEq(token.balanceOf(provider), before + 7_000, "provider");
        assertEq(token.balanceOf(address(escrow)), 0, "escrow");
    }

    // --- payOut ----------------------------------------------------------------------------------

    function test_payOutSplits() public {
        redeem(voucher(channel, 1, 8_000));
        uint256 before = token.balanceOf(provider);
        vm.expectEmit(address(escrow));
        emit IEscrowManager.PaidOut(1, provider, publisher, 7_000, 800, 200);
        vm.prank(stranger); // anyone
        (uint128 toProvider, uint128 toPublisher, uint128 toTreasury) = escrow.payOut(1);
        assertEq(uint256(toProvider), 7_000, "to provider");
        assertEq(uint256(toPublisher), 800, "to publisher");
        assertEq(uint256(toTreasury), 200, "to treasury");
        assertEq(token.balanceOf(provider), before + 7_000, "provider");
        assertEq(token.balanceOf(publisher), 800, "publisher");
        assertEq(token.balanceOf(treasury), 200, "treasury");
        assertEq(token.balanceOf(address(escrow)), 2_000, "escrow");
        vm.expectRevert(abi.encodeWithSelector(IEscrowManager.NothingToPayOut.selector, 1));
        escrow.payOut(1);
    }

    function test_payOutRefuses() public {
        vm.expectRevert(abi.encodeWithSelector(IEscrowManager.UnknownTill.selector, 2));
        escrow.payOut(2);
        vm.expectRevert(abi.encodeWithSelector(IEscrowManager.UnknownTill.selector, 0));
        escrow.getTill(0);
        vm.expectRevert(abi.encodeWithSelector(IEscrowManager.NothingToPayOut.selector, 1));
        escrow.payOut(1);
    }

    function test_theRoyaltyCannotBeRaisedLater() public {
        redeem(voucher(channel, 1, 1_000));
        vm.prank(publisher);
        registry.setRoyalty(MODEL, 3_000);
        vm.prank(governance);
        escrow.setFee(1_000);
        redeem(voucher(channel, 2, 10_000));
        escrow.payOut(1);
        assertEq(token.balanceOf(publisher), 1_000, "publisher");
        assertEq(token.balanceOf(treasury), 250, "treasury");
    }

    function test_theRoyaltyFollowsTheNamespace() public {
        redeem(voucher(channel, 1, 10_000));
        vm.prank(publisher);
        registry.offerNamespace("demo", stranger);
        vm.prank(stranger);
        registry.acceptNamespace("demo");
        escrow.payOut(1);
        assertEq(token.balanceOf(stranger), 1_000, "the new publisher");
        assertEq(token.balanceOf(publisher), 0, "the old one");
    }

    function test_aRevokedModelIsStillPaidFor() public {
        vm.prank(governance);
        registry.revoke(MODEL);
        redeem(voucher(channel, 1, 10_000));
        escrow.payOut(1);
        assertEq(token.balanceOf(publisher), 1_000, "publisher");
    }

    /// Any number of payments of any size, paid out at any moment, split as one payment would.
    function testFuzz_dustSplitsLikeTheWhole(uint16[12] memory steps, uint16 payOuts, uint16 royaltyBps, uint16 fee)
        public
    {
        vm.prank(publisher);
        registry.setRoyalty(MODEL, royaltyBps % 3_001);
        vm.prank(governance);
        escrow.setFee(fee % 1_001);
        bytes32 id = openChannel(1_000_000, JOB);
        uint32 till = escrow.getChannel(id).till;
        uint256 start = token.balanceOf(provider);
        uint128 total = 0;
        for (uint64 i = 0; i < steps.length; ++i) {
            total += 1 + steps[i] % 40;
            redeem(voucher(id, i + 1, total));
            if ((payOuts >> i) & 1 == 1) escrow.payOut(till);
        }
        if (escrow.getTill(till).paidOut < total) escrow.payOut(till);
        uint256 bps = uint256(royaltyBps) % 3_001 + fee % 1_001;
        uint256 cut = total * bps / 10_000;
        uint256 royalty = bps == 0 ? 0 : cut * (royaltyBps % 3_001) / bps;
        assertEq(token.balanceOf(publisher), royalty, "publisher");
        assertEq(token.balanceOf(treasury), cut - royalty, "treasury");
        assertEq(token.balanceOf(provider) - start, total - cut, "provider");
    }

    function testFuzz_redeemPaysTheRiseUpToTheDeposit(uint128[8] memory amounts, uint96 deposit) public {
        deposit = uint96(bound(deposit, 1, 500_000e18));
        bytes32 id = openChannel(deposit, JOB);
        uint256 high = 0;
        for (uint64 i = 0; i < amounts.length; ++i) {
            uint128 amount = uint128(bound(amounts[i], 0, uint256(deposit) * 2));
            uint256 owed = amount < deposit ? amount : deposit;
            Redemption[] memory batch = new Redemption[](1);
            batch[0] = compact(voucher(id, i + 1, amount));
            uint256 paid = escrow.redeemMany(batch);
            assertEq(paid, owed > high ? owed - high : 0, "paid");
            high += paid;
        }
        assertEq(uint256(escrow.getChannel(id).redeemed), high, "redeemed");
    }

    /// The other signature of the same key for the same digest: s' = n - s.
    function _malleated(bytes memory signature) private pure returns (bytes memory) {
        (bytes32 r, bytes32 s, uint8 v) = (_word(signature, 0), _word(signature, 32), uint8(signature[64]));
        return abi.encodePacked(r, bytes32(N - uint256(s)), v == 27 ? uint8(28) : uint8(27));
    }

    function _word(bytes memory data, uint256 offset) private pure returns (bytes32 word) {
        for (uint256 i = 0; i < 32; ++i) {
            word |= bytes32(data[offset + i]) >> (8 * i);
        }
    }
}
