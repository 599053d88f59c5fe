// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Redemption} from "../src/types/Channel.sol";
import {Receipt} from "../src/types/Receipt.sol";
import {vm} from "./support/Vm.sol";
import {Voucher, compact, sign} from "./support/Voucher.sol";
import {World} from "./support/World.sol";

/// @notice Gas of whole transactions (intrinsic gas and calldata included), in the usual case: accounts that hold
/// tokens already, tills that exist. Run by gas.py, which compares with snapshots/gas.json.
contract GasTest is World {
    uint64 private constant REDEEM_CEILING = 55_000;
    uint64 private constant BATCH_OF_TEN_CEILING = 20_000; // each

    function setUp() public override {
        super.setUp();
        for (uint256 i = 0; i < 3; ++i) {
            token.transfer([publisher, treasury, stranger][i], 1e18);
        }
        registerProvider();
        bytes32 warm = openChannel(1_000e18, "warm");
        redeem(voucher(warm, 1, 100e18));
        escrow.payOut(1);
    }

    function _snap(string memory name) private returns (uint256 gas) {
        gas = vm.lastCallGas().gasTotalUsed;
        vm.snapshotValue("gas", name, gas);
    }

    function test_gasOfRedeem() public {
        bytes32 id = openChannel(1_000e18);
        Voucher memory v = voucher(id, 1_000, 12.345678901234567e18);
        vm.prank(provider);
        redeem(v);
        _snap("escrow: redeem, first of a channel");
        v = voucher(id, 2_000, 23.456789012345678e18);
        vm.prank(provider);
        redeem(v);
        assertAtMost(_snap("escrow: redeem"), REDEEM_CEILING, "redeem");
        vm.prank(provider);
        escrow.payOut(1);
        _snap("escrow: payOut to three");
    }

    function test_gasOfABatch() public {
        Redemption[] memory batch = new Redemption[](10);
        for (uint256 round = 1; round <= 2; ++round) {
            for (uint256 i = 0; i < 10; ++i) {
                bytes32 salt = bytes32(i);
                bytes32 id = round == 1 ? openChannel(1_000e18, salt) : batch[i].channel;
                batch[i] = compact(voucher(id, uint64(round * 1_000), uint128(round * 12.345678901234567e18 + i)));
            }
            vm.prank(provider);
            escrow.redeemMany(batch);
        }
        uint256 each = vm.lastCallGas().gasTotalUsed / 10;
        vm.snapshotValue("gas", "escrow: redeemMany of ten, each", each);
        assertAtMost(each, BATCH_OF_TEN_CEILING, "redeemMany");
    }

    function test_gasOfAChannelsLife() public {
        bytes32 id = openChannel(1_000e18);
        _snap("escrow: open");
        vm.prank(client);
        escrow.topUp(id, 1e18);
        _snap("escrow: topUp");
        vm.prank(client);
        escrow.requestClose(id);
        _snap("escrow: requestClose");
        pass(CHALLENGE_PERIOD);
        vm.prank(client);
        escrow.finalize(id);
        _snap("escrow: finalize");
        bytes32 other = openChannel(1_000e18, JOB);
        vm.prank(provider);
        escrow.close(other);
        _snap("escrow: close");
    }

    function test_gasOfStaking() public {
        vm.prank(stranger);
        staking.registerProvider(named("key"), "https://provider.example");
        _snap("staking: registerProvider");
        vm.prank(provider);
        staking.stake(1_000e18);
        _snap("staking: stake, first");
        vm.prank(provider);
        staking.stake(1_000e18);
        _snap("staking: stake");
        for (uint256 i = 0; i < 16; ++i) {
            vm.prank(provider);
            staking.requestUnbond(100e18);
        }
        _snap("staking: requestUnbond");
        vm.prank(slasher);
        staking.slash(provider, 100e18, verifier, 5_000);
        _snap("staking: slash of active stake");
        vm.prank(slasher);
        staking.slash(provider, 10_000e18, verifier, 5_000);
        _snap("staking: slash through sixteen unbondings");
        pass(1 days);
        vm.prank(provider);
        staking.rotateHotKey(named("second"));
        _snap("staking: rotateHotKey");
    }

    function test_gasOfWithdraw() public {
        vm.prank(provider);
        staking.stake(1_000e18);
        vm.prank(provider);
        staking.requestUnbond(100e18);
        pass(UNBONDING_DELAY);
        vm.prank(provider);
        staking.withdraw(0);
        _snap("staking: withdraw");
    }

    function test_gasOfAReceiptCheck() public {
        Receipt memory receipt;
        receipt.provider = provider;
        receipt.time = time();
        bytes memory signature = sign(HOT_KEY, staking.receiptDigest(receipt));
        assertTrue(staking.isSignedReceipt(receipt, signature), "signed");
        _snap("staking: isSignedReceipt, execution only");
    }

    function test_gasOfTheRegistry() public {
        vm.prank(publisher);
        registry.register("demo/minilm", "1.0.1", JOB, PROGRAMS, 0, "ipfs://bafkreigh2akiscaildcqabsyg3dfr6chu3fgpreg");
        _snap("registry: register, another version");
        vm.prank(stranger);
        registry.register("new/model", "1.0.0", PROGRAMS, PROGRAMS, 0, "ipfs://bafkreigh2akiscaildcqabsyg3dfr6chu3f");
        _snap("registry: register, new namespace");
        vm.prank(publisher);
        registry.deprecate(JOB);
        _snap("registry: deprecate");
    }

    function test_gasOfTheToken() public {
        vm.prank(client);
        token.transfer(stranger, 1e18);
        _snap("token: transfer");
    }
}
