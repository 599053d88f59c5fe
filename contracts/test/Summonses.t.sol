// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DisputeGame} from "../src/DisputeGame.sol";
import {EscrowManager} from "../src/EscrowManager.sol";
import {Misconduct} from "../src/Misconduct.sol";
import {OneStep} from "../src/OneStep.sol";
import {Referee} from "../src/Referee.sol";
import {Staking} from "../src/Staking.sol";
import {IAIVMToken} from "../src/interfaces/IAIVMToken.sol";
import {IEscrowManager} from "../src/interfaces/IEscrowManager.sol";
import {IMisconduct} from "../src/interfaces/IMisconduct.sol";
import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {Receipt} from "../src/types/Receipt.sol";
import {Standing} from "../src/types/Summons.sol";
import {Accused} from "./support/Accused.sol";
import {ContractWallet} from "./support/ContractWallet.sol";
import {HostileToken} from "./support/HostileToken.sol";
import {leafOf, nodeOf} from "./support/Hashes.sol";
import {vm} from "./support/Vm.sol";
import {sign} from "./support/Voucher.sol";

/// @notice What providers must show for their receipts.
contract SummonsesTest is Accused {
    bytes32 private constant LISTED = keccak256("listed");
    uint128 private constant AMOUNT = 3e18;

    function _summon(Receipt memory receipt) private returns (bytes32 order) {
        bytes memory signature = signed(receipt);
        vm.prank(verifier);
        return misconduct.summon(receipt, signature);
    }

    function _refuseSummons(Receipt memory receipt, bytes memory reason) private {
        bytes memory signature = signed(receipt);
        vm.expectRevert(reason);
        vm.prank(verifier);
        misconduct.summon(receipt, signature);
    }

    function _refuseAgreement(Receipt memory receipt, uint128 amount, bytes memory signature, bytes memory reason)
        private
    {
        vm.expectRevert(reason);
        misconduct.showAgreement(receipt, amount, signature);
    }

    function _standing(bytes32 order) private view returns (uint256) {
        return uint256(misconduct.summonses(order).standing);
    }

    function _orderOf(Receipt memory r) private view returns (bytes32) {
        return misconduct.orderOf(r.provider, r.client, r.job);
    }

    // --- the client's agreement -------------------------------------------------------------------

    function test_aVoucherAnswers() public {
        Receipt memory receipt = receiptOf("a");
        vm.expectEmit(address(misconduct));
        emit IMisconduct.Summoned(_orderOf(receipt), provider, verifier, time() + ANSWER_TIME, receipt);
        bytes32 order = _summon(receipt);
        assertEq(token.balanceOf(address(misconduct)), BOND, "bond");
        assertEq(staking.getProvider(provider).heldUntil, time() + ANSWER_TIME + 1 days, "held");
        pass(ANSWER_TIME);
        (uint256 before, uint256 supply) = (token.balanceOf(provider), token.totalSupply());
        vm.prank(stranger); // whoever brings it
        misconduct.showAgreement(receipt, AMOUNT, agreed(CLIENT_KEY, receipt, AMOUNT));
        assertEq(token.balanceOf(provider) - before, BOND / 2, "the provider's");
        assertEq(supply - token.totalSupply(), BOND / 2, "burned");
        assertEq(token.balanceOf(address(misconduct)), 0, "nothing is left");
        assertEq(_standing(order), uint256(Standing.Shown), "shown");
        assertEq(staking.slashable(provider), STAKE, "not slashed");
        _refuseSummons(receipt, abi.encodeWithSelector(IMisconduct.AlreadyShown.selector, order));
        receipt.outputs = "b"; // another answer to the same order: the game's affair, or a report's
        _refuseSummons(receipt, abi.encodeWithSelector(IMisconduct.AlreadyShown.selector, order));
        pass(1);
        vm.expectRevert(abi.encodeWithSelector(IMisconduct.NotSummoned.selector, order));
        misconduct.lapse(provider, client, receipt.job);
    }

    function test_aVoucherOfAClosedChannelAnswers() public {
        Receipt memory receipt = receiptOf("a");
        vm.prank(provider);
        escrow.close(channel);
        vm.prank(governance);
        registry.revoke(MODEL); // for new channels
        _summon(receipt);
        misconduct.showAgreement(receipt, AMOUNT, agreed(CLIENT_KEY, receipt, AMOUNT));
    }

    function test_silenceConvicts() public {
        Receipt memory receipt = receiptOf("a");
        bytes32 order = _summon(receipt);
        pass(ANSWER_TIME);
        vm.expectRevert(abi.encodeWithSelector(IMisconduct.NotYetOver.selector, uint256(time())));
        misconduct.lapse(provider, client, receipt.job);
        pass(1);
        bytes memory signature = agreed(CLIENT_KEY, receipt, AMOUNT);
        _refuseAgreement(
            receipt, AMOUNT, signature, abi.encodeWithSelector(IMisconduct.TooLate.selector, uint256(time()) - 1)
        );
        (uint256 before, uint256 supply) = (token.balanceOf(client), token.totalSupply());
        vm.expectEmit(address(misconduct));
        emit IMisconduct.Lapsed(order, provider, verifier, PENALTY);
        vm.prank(stranger);
        misconduct.lapse(provider, client, receipt.job);
        assertEq(token.balanceOf(verifier), 1_000e18 + 160e18, "bond and award");
        assertEq(token.balanceOf(client) - before, 40e18, "client");
        assertEq(supply - token.totalSupply(), PENALTY / 2, "burned");
        assertEq(staking.slashable(provider), STAKE - PENALTY, "slashed");
        assertEq(token.balanceOf(address(misconduct)), 0, "nothing is left");
        bytes memory known = abi.encodeWithSelector(IMisconduct.AlreadyConvicted.selector, order);
        _refuseSummons(receipt, known); // once
        receipt.time += 1;
        _refuseSummons(receipt, known); // however often it is signed
        _refuseAgreement(receipt, AMOUNT, signature, known);
        vm.expectRevert(abi.encodeWithSelector(IMisconduct.NotSummoned.selector, order));
        misconduct.lapse(provider, client, receipt.job);
    }

    function test_whatIsNoAgreement() public {
        Receipt memory receipt = receiptOf("a");
        _summon(receipt);
        bytes memory refusal = abi.encodeWithSelector(IMisconduct.NotAgreed.selector, channel);
        _refuseAgreement(receipt, AMOUNT, agreed(HOT_KEY, receipt, AMOUNT), refusal);
        _refuseAgreement(receipt, AMOUNT + 1, agreed(CLIENT_KEY, receipt, AMOUNT), refusal);
        _refuseAgreement(receipt, AMOUNT, "", refusal);
        Receipt memory other = receiptOf("a");
        other.sequence = 8;
        other.job = jobOf(other);
        _refuseAgreement(receipt, AMOUNT, agreed(CLIENT_KEY, other, AMOUNT), refusal); // another job's
        // The same order, said to be another channel's, where a confederate is the client.
        vm.startPrank(verifier);
        token.approve(address(escrow), 1);
        other.channel = escrow.open(provider, MODEL, 1, 0, time() + 1);
        vm.stopPrank();
        other.job = receipt.job;
        _refuseAgreement(
            other,
            AMOUNT,
            agreed(CLIENT_KEY, other, AMOUNT),
            abi.encodeWithSelector(IMisconduct.WrongJob.selector, receipt.job)
        );
        misconduct.showAgreement(receipt, AMOUNT, agreed(CLIENT_KEY, receipt, AMOUNT));
    }

    /// A channel of other parties: what its client signed says nothing about this order.
    function testFuzz_theChannelMustBeTheReceipts(address who, uint8 part) public {
        part = uint8(bound(part, 0, 2));
        Receipt memory receipt = receiptOf("a");
        vm.assume(who != client && who != provider);
        if (part == 0) receipt.client = who;
        if (part == 1) receipt.model = bytes32(uint256(uint160(who)));
        if (part == 2) receipt.provider = who;
        receipt.job = jobOf(receipt);
        bytes memory signature = agreed(CLIENT_KEY, receipt, AMOUNT);
        _refuseAgreement(receipt, AMOUNT, signature, abi.encodeWithSelector(IMisconduct.NotAgreed.selector, channel));
    }

    function test_aContractClientCanBeHeldToItsWord() public {
        ContractWallet wallet = new ContractWallet();
        token.transfer(address(wallet), 1_000e18);
        channel = wallet.open(escrow, provider, MODEL, 10e18);
        Receipt memory receipt = receiptOf("a");
        receipt.client = address(wallet);
        bytes32 digest = escrow.voucherDigest(channel, receipt.sequence, AMOUNT, receipt.job);
        wallet.accept(digest, true);
        misconduct.showAgreement(receipt, AMOUNT, ""); // without a summons, before it changes its mind
        wallet.accept(digest, false);
        _refuseSummons(receipt, abi.encodeWithSelector(IMisconduct.AlreadyShown.selector, _orderOf(receipt)));
        _refuseAgreement(receipt, AMOUNT, "", abi.encodeWithSelector(IMisconduct.NotAgreed.selector, channel));
    }

    function test_whatIsShownTwice() public {
        Receipt memory receipt = receiptOf("a");
        bytes memory signature = agreed(CLIENT_KEY, receipt, AMOUNT);
        vm.expectEmit(address(misconduct));
        emit IMisconduct.Shown(_orderOf(receipt), provider, address(0));
        misconduct.showAgreement(receipt, AMOUNT, signature);
        bytes memory known = abi.encodeWithSelector(IMisconduct.AlreadyShown.selector, _orderOf(receipt));
        _refuseAgreement(receipt, AMOUNT, signature, known);
    }

    // --- the publisher's list ------------------------------------------------------------------------

    /// A model whose registry entry lists five programs, the fourth of which is `LISTED`; and that one's path.
    function _list() private returns (bytes32 model, bytes32[] memory path) {
        bytes32[5] memory hashes;
        for (uint256 i = 0; i < 5; ++i) {
            hashes[i] = leafOf(abi.encode(i == 3 ? LISTED : bytes32(i)));
        }
        path = new bytes32[](3);
        (path[0], path[1]) = (hashes[2], nodeOf(hashes[0], hashes[1]));
        path[2] = hashes[4];
        bytes32 right = nodeOf(hashes[2], hashes[3]);
        bytes32 root = nodeOf(nodeOf(path[1], right), hashes[4]);
        model = keccak256("manifest 2");
        vm.prank(publisher);
        registry.register("demo/minilm", "1.0.1", model, root, 0, "ipfs://manifest");
    }

    function _gift(bytes32 model, bytes32 program) private returns (Receipt memory receipt) {
        channel = 0;
        receipt = receiptOf("a");
        (receipt.model, receipt.program, receipt.sequence) = (model, program, 0);
        receipt.job = jobOf(receipt);
    }

    function test_aGiftNeedsAListedProgram() public {
        (bytes32 model, bytes32[] memory path) = _list();
        Receipt memory receipt = _gift(model, LISTED);
        bytes32 order = _summon(receipt);
        vm.prank(governance);
        registry.revoke(model); // what it lists is still known
        assertTrue(misconduct.isListed(model, LISTED, 3, 5, path), "listed");
        misconduct.showListing(receipt, 3, 5, path);
        assertEq(_standing(order), uint256(Standing.Shown), "shown");
        assertEq(token.balanceOf(address(misconduct)), 0, "nothing is left");
    }

    function testFuzz_whatIsNotListed(bytes32 program, uint8 position, uint8 count, uint8 length) public {
        (bytes32 model, bytes32[] memory path) = _list();
        if (program == LISTED) program = 0;
        Receipt memory receipt = _gift(model, program);
        bytes32[] memory cut = new bytes32[](bound(length, 0, 4));
        for (uint256 i = 0; i < cut.length && i < 3; ++i) {
            cut[i] = path[i];
        }
        vm.expectRevert(abi.encodeWithSelector(IMisconduct.NotListed.selector, model, program));
        misconduct.showListing(receipt, position, count, cut);
        // A node of the tree is not a program.
        receipt = _gift(model, nodeOf(path[0], leafOf(abi.encode(LISTED))));
        vm.expectRevert(abi.encodeWithSelector(IMisconduct.NotListed.selector, model, receipt.program));
        misconduct.showListing(receipt, position, count, cut);
    }

    function test_anUnlistedGiftIsConvicted() public {
        (bytes32 model,) = _list();
        Receipt memory receipt = _gift(model, keccak256("derived"));
        receipt.client = address(0);
        _summon(receipt);
        pass(ANSWER_TIME + 1);
        misconduct.lapse(provider, address(0), receipt.job);
        assertEq(token.balanceOf(verifier), 1_000e18 + 200e18, "the whole award, where there is no client");
    }

    function test_aListIsNoAgreement() public {
        (bytes32 model, bytes32[] memory path) = _list();
        Receipt memory receipt = receiptOf("a");
        (receipt.model, receipt.program) = (model, LISTED);
        receipt.job = jobOf(receipt);
        vm.expectRevert(abi.encodeWithSelector(IMisconduct.NeedsAgreement.selector, channel));
        misconduct.showListing(receipt, 3, 5, path);
    }

    // --- refusals and ways out -----------------------------------------------------------------------

    function test_summonRefuses() public {
        Receipt memory receipt = receiptOf("a");
        receipt.inputs = JOB;
        _refuseSummons(receipt, abi.encodeWithSelector(IMisconduct.WrongJob.selector, receipt.job));
        receipt = receiptOf("a");
        receipt.channel = JOB; // a reorganisation's, or of another escrow
        receipt.job = jobOf(receipt);
        _refuseSummons(receipt, abi.encodeWithSelector(IEscrowManager.UnknownChannel.selector, JOB));
        (bytes32 held, bytes32 model) = (channel, keccak256("nobody's"));
        receipt = _gift(model, LISTED);
        _refuseSummons(receipt, abi.encodeWithSelector(IMisconduct.UnknownModel.selector, model));
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.UnknownModel.selector, model));
        misconduct.isListed(model, LISTED, 0, 1, new bytes32[](0));
        channel = held;
        receipt = receiptOf("a");
        bytes memory signature = sign(CLIENT_KEY, staking.receiptDigest(receipt));
        vm.expectRevert(abi.encodeWithSelector(IMisconduct.NotSigned.selector));
        vm.prank(verifier);
        misconduct.summon(receipt, signature);
        bytes32 order = _summon(receipt);
        _refuseSummons(receipt, abi.encodeWithSelector(IMisconduct.AlreadySummoned.selector, order));
        receipt.sequence += 1;
        receipt.job = jobOf(receipt);
        pass(WINDOW + 1);
        _refuseSummons(receipt, abi.encodeWithSelector(IMisconduct.OutsideWindow.selector, receipt.time));
    }

    function test_aSummonerMustPay() public {
        Receipt memory receipt = receiptOf("a");
        bytes memory signature = signed(receipt);
        vm.expectRevert(
            abi.encodeWithSignature("ERC20InsufficientAllowance(address,uint256,uint256)", address(misconduct), 0, BOND)
        );
        vm.prank(stranger);
        misconduct.summon(receipt, signature);
    }

    function test_withoutTheRoleTheBondGoesHome() public {
        Receipt memory receipt = receiptOf("a");
        bytes32 order = _summon(receipt);
        bytes32 role = staking.SLASHER_ROLE();
        vm.prank(governance);
        staking.revokeRole(role, address(misconduct));
        pass(ANSWER_TIME + 1);
        vm.expectEmit(address(misconduct));
        emit IMisconduct.Voided(order);
        misconduct.lapse(provider, client, receipt.job);
        assertEq(token.balanceOf(verifier), 1_000e18, "bond came home");
        assertEq(staking.slashable(provider), STAKE, "not slashed");
        _refuseSummons(receipt, lacksRole(address(misconduct), role));
        vm.prank(governance);
        staking.grantRole(role, address(misconduct));
        _summon(receipt); // again
    }

    /// Who is short of gas must not turn a conviction into anything else.
    function testFuzz_tooLittleGasChangesNothing(uint256 gas) public {
        Receipt memory receipt = receiptOf("a");
        bytes32 order = _summon(receipt);
        pass(ANSWER_TIME + 1);
        bytes memory call = abi.encodeCall(misconduct.lapse, (provider, client, receipt.job));
        (bool done,) = address(misconduct).call{gas: bound(gas, 10_000, 250_000)}(call);
        assertEq(_standing(order), uint256(done ? Standing.Convicted : Standing.Summoned), "all or nothing");
        assertEq(staking.slashable(provider), done ? STAKE - PENALTY : STAKE, "stake");
    }

    function test_aSlashedStakeDoesNotLeaveMeanwhile() public {
        Receipt memory receipt = receiptOf("a");
        vm.prank(provider);
        staking.requestUnbond(STAKE);
        pass(UNBONDING_DELAY - 1 hours);
        receipt.time = time();
        _summon(receipt);
        pass(ANSWER_TIME + 1);
        vm.expectRevert(abi.encodeWithSignature("NotYetWithdrawable(uint64)", time() - 1 + 1 days));
        vm.prank(provider);
        staking.withdraw(0);
        misconduct.lapse(provider, client, receipt.job);
        assertEq(staking.slashable(provider), STAKE - PENALTY, "slashed");
    }

    function test_aBondOfOneUnitIsBurned() public {
        game = new DisputeGame(staking, new Referee(OneStep(address(1))), WINDOW, 1 days, 1, PENALTY);
        misconduct = new Misconduct(game, escrow, ANSWER_TIME);
        bytes32 role = staking.SLASHER_ROLE();
        vm.prank(governance);
        staking.grantRole(role, address(misconduct));
        vm.prank(verifier);
        token.approve(address(misconduct), 1);
        Receipt memory receipt = receiptOf("a");
        _summon(receipt);
        misconduct.showAgreement(receipt, AMOUNT, agreed(CLIENT_KEY, receipt, AMOUNT));
        assertEq(token.balanceOf(address(misconduct)), 0, "nothing is left");
    }

    // --- a token that calls back -----------------------------------------------------------------------

    function _tokenIs(HostileToken hostile) private {
        staking = new Staking(IAIVMToken(address(hostile)), governance, UNBONDING_DELAY, 1);
        escrow = new EscrowManager(hostile, registry, governance, treasury, FEE_BPS, CHALLENGE_PERIOD);
        game = new DisputeGame(staking, new Referee(OneStep(address(1))), WINDOW, 1 days, BOND, PENALTY);
        misconduct = new Misconduct(game, escrow, ANSWER_TIME);
        bytes32 role = staking.SLASHER_ROLE();
        vm.prank(governance);
        staking.grantRole(role, address(misconduct));
        address[3] memory rich = [provider, client, verifier];
        address[3] memory spenders = [address(staking), address(escrow), address(misconduct)];
        for (uint256 i = 0; i < 3; ++i) {
            hostile.mint(rich[i], STAKE);
            vm.prank(rich[i]);
            hostile.approve(spenders[i], STAKE);
        }
        registerProvider();
        vm.prank(provider);
        staking.stake(STAKE);
        channel = openChannel(1_000e18);
    }

    function _refusedReentry(HostileToken hostile) private view {
        assertTrue(hostile.tried(), "it did call back");
        assertEq(bytes32(hostile.answer()), bytes32(abi.encodeWithSignature("ReentrancyGuardReentrantCall()")), "why");
    }

    function test_aTokenThatCallsBackFindsTheDoorsShut() public {
        HostileToken hostile = new HostileToken();
        _tokenIs(hostile);
        Receipt memory receipt = receiptOf("a");
        bytes memory signature = signed(receipt);
        hostile.attack(address(misconduct), abi.encodeCall(misconduct.summon, (receipt, signature)));
        _summon(receipt);
        _refusedReentry(hostile);
        bytes memory show =
            abi.encodeCall(misconduct.showAgreement, (receipt, AMOUNT, agreed(CLIENT_KEY, receipt, AMOUNT)));
        hostile.attack(address(misconduct), show);
        misconduct.showAgreement(receipt, AMOUNT, agreed(CLIENT_KEY, receipt, AMOUNT));
        _refusedReentry(hostile);
        receipt.sequence += 1;
        receipt.job = jobOf(receipt);
        _summon(receipt);
        pass(ANSWER_TIME + 1);
        hostile.attack(address(misconduct), abi.encodeCall(misconduct.lapse, (provider, client, receipt.job)));
        misconduct.lapse(provider, client, receipt.job);
        _refusedReentry(hostile);
        assertEq(hostile.balanceOf(address(misconduct)), 0, "nothing is left");
        receipt.job = JOB;
        announce(stranger, receipt);
        signature = signed(receipt);
        hostile.attack(address(misconduct), abi.encodeCall(misconduct.inconsistent, (receipt, signature, SALT)));
        vm.prank(stranger);
        misconduct.inconsistent(receipt, signature, SALT);
        _refusedReentry(hostile);
        assertEq(staking.slashable(provider), STAKE - 2 * PENALTY, "once each");
    }
}
