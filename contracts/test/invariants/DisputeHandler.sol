// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AIVMToken} from "../../src/AIVMToken.sol";
import {DisputeGame} from "../../src/DisputeGame.sol";
import {Misconduct} from "../../src/Misconduct.sol";
import {Staking} from "../../src/Staking.sol";
import {IDisputeGame} from "../../src/interfaces/IDisputeGame.sol";
import {Narrowing} from "../../src/libraries/Narrowing.sol";
import {PackedGame} from "../../src/libraries/PackedGame.sol";
import {PackedState} from "../../src/types/Game.sol";
import {Unbonding} from "../../src/types/Provider.sol";
import {Receipt} from "../../src/types/Receipt.sol";
import {Standing, Summons} from "../../src/types/Summons.sol";
import {OUTPUT_ROOT, headerOnly, headerOnlyOutputs, headerOnlyProgram} from "../support/HeaderOnly.sol";
import {Test} from "../support/Test.sol";
import {Vm, vm} from "../support/Vm.sol";
import {sign as signWith} from "../support/Voucher.sol";

/// @notice Providers who sign, stake and leave; challengers who doubt and fall silent; other slashers, and a governance
/// that retires and restores the game: all at any moment.
contract DisputeHandler is Test {
    using PackedGame for PackedState;

    /// A receipt, and what its provider had when it signed.
    struct Signed {
        Receipt receipt;
        bytes signature;
        uint256 staked;
        uint256 withdrawn; // until then
        uint256 unbonding; // which may leave before it
        uint256 slashed; // until then
        uint64 heldUntil; // by games about it
    }

    struct Played {
        uint256 about; // which receipt
        PackedState state;
        bool over;
    }

    uint256 private constant MOST = 40; // receipts, and games

    AIVMToken private immutable token;
    Staking private immutable staking;
    DisputeGame private immutable game;
    Misconduct private immutable misconduct;
    address private immutable governance;
    address private immutable slasher;

    address[2] public providers = [address(0xa1), address(0xa2)];
    uint256[2] private keys = [uint256(0xe1), 0xe2];
    address[3] public challengers = [address(0xc1), address(0xc2), address(0xc3)];
    address private constant BENEFICIARY = address(0xbe);
    bytes32 private immutable MODEL;

    Signed[] private receipts;
    Played[] private games;
    bytes32[] private orders; // summonses

    // What went in and out, counted here and not by the contracts.
    mapping(address provider => uint256) public deposited;
    mapping(address provider => uint256) public withdrawn;
    mapping(address provider => uint256) public slashed;

    constructor(
        AIVMToken token_,
        Staking staking_,
        DisputeGame game_,
        Misconduct misconduct_,
        address governance_,
        address slasher_,
        bytes32 model
    ) {
        (token, staking, game, misconduct) = (token_, staking_, game_, misconduct_);
        (governance, slasher, MODEL) = (governance_, slasher_, model);
    }

    /// Called once, with the tokens to play with.
    function start() external {
        for (uint256 i = 0; i < providers.length; ++i) {
            token.transfer(providers[i], 1_000_000e18);
            vm.startPrank(providers[i]);
            token.approve(address(staking), type(uint256).max);
            staking.registerProvider(vm.addr(keys[i]), "https://p");
            vm.stopPrank();
            _stake(providers[i], 2_000e18);
        }
        for (uint256 i = 0; i < challengers.length; ++i) {
            token.transfer(challengers[i], 100_000e18);
            vm.startPrank(challengers[i]);
            token.approve(address(game), type(uint256).max);
            token.approve(address(misconduct), type(uint256).max);
            vm.stopPrank();
        }
    }

    // --- stakes ----------------------------------------------------------------------------------

    function stake(uint256 who, uint256 amount) external {
        _stake(providers[who % 2], bound(amount, 1, 1_000e18));
    }

    function _stake(address provider, uint256 amount) private {
        vm.prank(provider);
        staking.stake(amount);
        deposited[provider] += amount;
    }

    function requestUnbond(uint256 who, uint256 amount) external {
        address provider = providers[who % 2];
        uint256 staked = staking.getProvider(provider).staked;
        (uint256 first, uint256 next) = staking.unbondingRange(provider);
        if (staked == 0 || next - first == staking.MAX_UNBONDINGS()) return;
        vm.prank(provider);
        staking.requestUnbond(amount % 2 == 0 ? staked : bound(amount, 1, staked));
    }

    /// All that may leave leaves.
    function withdraw(uint256 who) external {
        address provider = providers[who % 2];
        (uint256 first, uint256 next) = staking.unbondingRange(provider);
        for (uint256 id = first; id < next; ++id) {
            Unbonding memory leaving = staking.getUnbonding(provider, id);
            vm.prank(provider);
            try staking.withdraw(id) {
                withdrawn[provider] += leaving.amount;
            } catch {}
        }
    }

    function slash(uint256 who, uint256 amount) external {
        address provider = providers[who % 2];
        uint256 before = staking.slashable(provider);
        vm.prank(slasher);
        staking.slash(provider, bound(amount, 1, 500e18), BENEFICIARY, 5_000);
        slashed[provider] += before - staking.slashable(provider);
    }

    /// Governance takes the game's power, or gives it back.
    function retire() external {
        bytes32 role = staking.SLASHER_ROLE();
        bool inPower = staking.hasRole(role, address(game));
        vm.prank(governance);
        if (inPower) staking.revokeRole(role, address(game));
        else staking.grantRole(role, address(game));
    }

    /// Short, long, and exactly as long as something takes.
    function wait(uint256 seed, uint256 duration) external {
        uint256[5] memory exact = [uint256(1), game.CLOCK(), game.CLOCK() + 1, game.WINDOW(), staking.UNBONDING_DELAY()];
        pass(seed % 2 == 0 ? exact[duration % 5] : bound(duration, 1, 2 days));
    }

    // --- receipts --------------------------------------------------------------------------------

    function sign(uint256 who, bool isConsistent) external {
        if (receipts.length == MOST) return;
        address provider = providers[who % 2];
        Signed storage made = receipts.push();
        Receipt memory receipt;
        receipt.model = MODEL;
        receipt.program = headerOnlyProgram();
        receipt.outputs = headerOnlyOutputs();
        receipt.sequence = uint64(receipts.length);
        (receipt.client, receipt.provider) = (address(0xc0), provider);
        (receipt.tier, receipt.numerics, receipt.time) = (1, 1, time());
        if (isConsistent) receipt.job = _jobOf(receipt);
        made.receipt = receipt;
        made.signature = signWith(keys[who % 2], staking.receiptDigest(receipt));
        made.staked = staking.getProvider(provider).staked;
        made.unbonding = staking.getProvider(provider).unbonding;
        (made.withdrawn, made.slashed) = (withdrawn[provider], slashed[provider]);
    }

    /// Not two answers to one job, but one whose job id is not the hash of its parts.
    function report(uint256 which) external {
        if (receipts.length == 0) return;
        Signed storage signed = receipts[which % receipts.length];
        bytes32 seal = misconduct.sealOf(address(this), keccak256(abi.encode(signed.receipt)), 0, 0);
        misconduct.announce(seal);
        pass(misconduct.SEALED_FOR());
        address provider = signed.receipt.provider;
        uint256 before = staking.slashable(provider);
        try misconduct.inconsistent(signed.receipt, signed.signature, 0) {
            assertTrue(signed.receipt.job == 0, "an honest receipt was convicted");
            slashed[provider] += before - staking.slashable(provider);
        } catch {}
    }

    function summon(uint256 which, uint256 who) external {
        if (receipts.length == 0) return;
        Signed storage signed = receipts[which % receipts.length];
        vm.prank(challengers[who % 3]);
        try misconduct.summon(signed.receipt, signed.signature) returns (bytes32 order) {
            orders.push(order);
            _holds(signed, uint64(time()) + misconduct.ANSWER_TIME());
        } catch {}
    }

    function lapse(uint256 which) external {
        if (receipts.length == 0) return;
        Receipt memory receipt = receipts[which % receipts.length].receipt;
        uint256 before = staking.slashable(receipt.provider);
        try misconduct.lapse(receipt.provider, receipt.client, receipt.job) {
            slashed[receipt.provider] += before - staking.slashable(receipt.provider);
        } catch {}
    }

    // --- games -----------------------------------------------------------------------------------

    /// In the last seconds in which a receipt can be disputed.
    function openLate(uint256 which, uint256 who, uint256 early) external {
        if (receipts.length == 0 || games.length == MOST) return;
        uint256 end = receipts[which % receipts.length].receipt.time + game.WINDOW();
        if (time() < end) vm.warp(bound(early, end > time() + 2 ? end - 2 : time(), end));
        _open(which % receipts.length, who);
    }

    function open(uint256 which, uint256 who) external {
        if (receipts.length == 0 || games.length == MOST) return;
        _open(which % receipts.length, who);
    }

    function _open(uint256 about, uint256 who) private {
        Signed storage signed = receipts[about];
        address challenger = challengers[who % 3];
        bytes32 hash = keccak256(abi.encode(signed.receipt));
        bool allowed = staking.hasRole(staking.SLASHER_ROLE(), address(game)) && !game.convicted(hash)
            && time() <= signed.receipt.time + game.WINDOW() && !_isPlayed(about, challenger);
        vm.recordLogs();
        vm.prank(challenger);
        try game.open(signed.receipt, signed.signature, headerOnly()) {
            assertTrue(allowed, "opened");
            Played storage played = games.push();
            played.about = about;
            played.state = _shown();
            _holds(signed, uint64(time()) + 2 * uint64(game.CLOCK()));
        } catch {
            assertTrue(!allowed, "an opening was refused");
        }
    }

    /// The provider answers; then it is the challenger's time that runs.
    function commit(uint256 which, bool owner) external {
        if (!_isOn(which)) return;
        Played storage played = games[which % games.length];
        Receipt memory receipt = receipts[played.about].receipt;
        bytes32[] memory outputs = new bytes32[](1);
        outputs[0] = OUTPUT_ROOT;
        vm.recordLogs();
        vm.prank(owner ? receipt.provider : played.state.defender);
        try game.commit(played.state, outputs, new bytes32[](2)) {
            played.state = _shown();
        } catch {}
    }

    function timeout(uint256 which) external {
        if (!_isOn(which)) return;
        Played storage played = games[which % games.length];
        Receipt memory receipt = receipts[played.about].receipt;
        PackedState memory state = played.state;
        bool isProviders = Narrowing.isProviders(state.phase());
        bool allowed = time() > state.since() + (isProviders ? state.providerLeft() : state.challengerLeft());
        uint256 before = staking.slashable(receipt.provider);
        try game.timeout(state, receipt) {
            assertTrue(allowed, "ended too early");
            played.over = true;
            slashed[receipt.provider] += before - staking.slashable(receipt.provider);
        } catch {
            assertTrue(!allowed, "an end was refused");
        }
    }

    // --- money -----------------------------------------------------------------------------------

    function deposit(uint256 who, uint256 amount) external {
        vm.prank(challengers[who % 3]);
        game.deposit(bound(amount, 1, 150));
    }

    /// A part of a credit, or all of it.
    function takeHome(uint256 who, uint256 amount) external {
        address challenger = challengers[who % 3];
        uint256 credit = game.credits(challenger);
        if (credit == 0) return;
        vm.prank(challenger);
        game.withdraw(amount % 2 == 0 ? credit : bound(amount, 1, credit));
    }

    function compensate(uint256 which) external {
        if (receipts.length == 0) return;
        Receipt memory receipt = receipts[which % receipts.length].receipt;
        uint256 share = _owed(receipt);
        uint256 before = token.balanceOf(receipt.client);
        try game.compensate(receipt) {
            assertEq(token.balanceOf(receipt.client) - before, share, "the client's share");
        } catch {
            assertEq(share, 0, "a share was kept");
        }
    }

    function collect(bool ofGame) external {
        staking.collect(ofGame ? address(game) : BENEFICIARY);
    }

    // --- what is over ----------------------------------------------------------------------------

    function goHome(uint256 which) external {
        if (!_isOn(which)) return;
        Played storage played = games[which % games.length];
        bool allowed = game.convicted(played.state.receipt);
        try game.void(played.state) {
            assertTrue(allowed, "voided");
            played.over = true;
        } catch {
            assertTrue(!allowed, "a bond was kept");
        }
    }

    // --- what the invariants ask -----------------------------------------------------------------

    function openGames() external view returns (uint256 count) {
        for (uint256 i = 0; i < games.length; ++i) {
            if (!games[i].over) ++count;
        }
    }

    /// What the game owes to winners and clients.
    function owed() external view returns (uint256 sum) {
        for (uint256 i = 0; i < challengers.length; ++i) {
            sum += game.credits(challengers[i]);
        }
        for (uint256 i = 0; i < receipts.length; ++i) {
            sum += _owed(receipts[i].receipt);
        }
    }

    function _owed(Receipt memory receipt) private view returns (uint256 share) {
        (,, share) = game.verdicts(keccak256(abi.encode(receipt)));
    }

    /// What was slashed and is not yet collected.
    function waiting() external view returns (uint256) {
        (uint128 award, uint128 burning) = staking.spoils(BENEFICIARY);
        (uint128 ofGame, uint128 burningOfGame) = staking.spoils(address(game));
        return uint256(award) + burning + ofGame + burningOfGame;
    }

    function pendingSummonses() external view returns (uint256 count) {
        for (uint256 i = 0; i < orders.length; ++i) {
            if (misconduct.summonses(orders[i]).standing == Standing.Summoned) ++count;
        }
    }

    /// Whether everything that was staked when a receipt was signed can still be slashed, or was, for as long as it can
    /// be disputed or is.
    function unbondingOutruns() external view returns (bool) {
        for (uint256 i = 0; i < receipts.length; ++i) {
            Signed storage signed = receipts[i];
            address provider = signed.receipt.provider;
            if (time() > signed.receipt.time + game.WINDOW() && time() > signed.heldUntil) continue;
            uint256 left = withdrawn[provider] - signed.withdrawn;
            uint256 taken = slashed[provider] - signed.slashed;
            if (left > signed.unbonding) return true;
            if (staking.slashable(provider) + taken < signed.staked) return true;
        }
        return false;
    }

    /// Everybody ends what he can, and takes home what he has.
    function leaveAll() external {
        pass(60 days);
        for (uint256 i = 0; i < games.length; ++i) {
            if (!games[i].over) game.timeout(games[i].state, receipts[games[i].about].receipt);
        }
        for (uint256 i = 0; i < receipts.length; ++i) {
            Receipt memory r = receipts[i].receipt;
            Summons memory found = misconduct.summonses(misconduct.orderOf(r.provider, r.client, r.job));
            if (found.standing == Standing.Summoned) misconduct.lapse(r.provider, r.client, r.job);
            if (_owed(r) > 0) game.compensate(r);
        }
        for (uint256 i = 0; i < challengers.length; ++i) {
            uint256 credit = game.credits(challengers[i]);
            vm.prank(challengers[i]);
            if (credit > 0) game.withdraw(credit);
        }
        staking.collect(address(game));
        staking.collect(BENEFICIARY);
        for (uint256 i = 0; i < providers.length; ++i) {
            _leave(providers[i]);
        }
    }

    function _leave(address provider) private {
        vm.startPrank(provider);
        (uint256 first, uint256 next) = staking.unbondingRange(provider);
        for (uint256 id = first; id < next; ++id) {
            if (staking.getUnbonding(provider, id).amount > 0) staking.withdraw(id);
        }
        uint256 staked = staking.getProvider(provider).staked;
        if (staked > 0) {
            uint256 last = staking.requestUnbond(staked);
            pass(staking.UNBONDING_DELAY());
            staking.withdraw(last);
        }
        vm.stopPrank();
    }

    // --- parts -----------------------------------------------------------------------------------

    function _holds(Signed storage signed, uint64 until) private {
        if (until > signed.heldUntil) signed.heldUntil = until;
    }

    function _isPlayed(uint256 about, address challenger) private view returns (bool) {
        for (uint256 i = 0; i < games.length; ++i) {
            if (!games[i].over && games[i].about == about && games[i].state.challenger == challenger) return true;
        }
        return false;
    }

    function _isOn(uint256 which) private view returns (bool) {
        return games.length > 0 && !games[which % games.length].over;
    }

    /// The state that the last call has shown.
    function _shown() private returns (PackedState memory state) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] == IDisputeGame.Moved.selector) state = abi.decode(logs[i].data, (PackedState));
        }
    }

    function _jobOf(Receipt memory r) private pure returns (bytes32) {
        return sha256(abi.encodePacked(r.channel, r.sequence, r.model, r.program, r.inputs));
    }
}
