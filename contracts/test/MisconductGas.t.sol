// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Receipt} from "../src/types/Receipt.sol";
import {Accused} from "./support/Accused.sol";
import {vm} from "./support/Vm.sol";

/// @notice Gas of whole transactions, where all parties hold tokens already. Run by gas.py.
contract MisconductGasTest is Accused {
    function setUp() public override {
        super.setUp();
        token.transfer(stranger, 1e18);
    }

    function _snap(string memory name) private {
        vm.snapshotValue("gas", string.concat("misconduct: ", name), vm.lastCallGas().gasTotalUsed);
    }

    function test_gasOfReports() public {
        (Receipt memory first, Receipt memory second) = (receiptOf("a"), receiptOf("b"));
        (bytes memory one, bytes memory two) = (signed(first), signed(second));
        bytes32 seal = misconduct.sealOf(stranger, keccak256(abi.encode(first)), keccak256(abi.encode(second)), SALT);
        misconduct.announce(seal);
        _snap("announce");
        pass(misconduct.SEALED_FOR());
        vm.prank(stranger);
        misconduct.equivocation(first, one, second, two, SALT);
        _snap("equivocation");
        first.job = JOB;
        announce(stranger, first);
        one = signed(first);
        vm.prank(stranger);
        misconduct.inconsistent(first, one, SALT);
        _snap("inconsistent");
    }

    function test_gasOfSummonses() public {
        Receipt memory receipt = receiptOf("a");
        bytes memory signature = signed(receipt);
        bytes memory voucher = agreed(CLIENT_KEY, receipt, 1e18);
        vm.prank(verifier);
        misconduct.summon(receipt, signature);
        _snap("summon, first of a provider");
        misconduct.showAgreement(receipt, 1e18, voucher);
        _snap("showAgreement");
        receipt.sequence += 1;
        receipt.job = jobOf(receipt);
        signature = signed(receipt);
        vm.prank(verifier);
        misconduct.summon(receipt, signature);
        pass(ANSWER_TIME + 1);
        misconduct.lapse(provider, client, receipt.job);
        _snap("lapse");
    }
}
