// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DisputeGame} from "../../src/DisputeGame.sol";
import {Misconduct} from "../../src/Misconduct.sol";
import {OneStep} from "../../src/OneStep.sol";
import {Referee} from "../../src/Referee.sol";
import {Receipt} from "../../src/types/Receipt.sol";
import {vm} from "./Vm.sol";
import {sign} from "./Voucher.sol";
import {World} from "./World.sol";

/// @notice A provider with a stake and a channel, its receipts, and who may report and summon it.
abstract contract Accused is World {
    uint64 internal constant WINDOW = 7 days;
    uint64 internal constant ANSWER_TIME = 12 hours;
    uint256 internal constant BOND = 100e18;
    uint256 internal constant PENALTY = 400e18;
    uint256 internal constant STAKE = 5_000e18;
    bytes32 internal constant SALT = keccak256("salt");

    DisputeGame internal game;
    Misconduct internal misconduct;
    bytes32 internal channel;

    function setUp() public virtual override {
        super.setUp();
        registerProvider();
        game = new DisputeGame(staking, new Referee(OneStep(address(1))), WINDOW, 1 days, BOND, PENALTY);
        misconduct = new Misconduct(game, escrow, ANSWER_TIME);
        bytes32 role = staking.SLASHER_ROLE();
        vm.prank(governance);
        staking.grantRole(role, address(misconduct));
        vm.prank(provider);
        staking.stake(STAKE);
        give(verifier, 1_000e18, address(misconduct));
        channel = openChannel(1_000e18);
    }

    /// A receipt that agrees with itself; nobody has signed it yet.
    function receiptOf(bytes32 outputs) internal view returns (Receipt memory receipt) {
        receipt.model = MODEL;
        receipt.program = keccak256("program");
        receipt.inputs = keccak256("inputs");
        receipt.outputs = outputs;
        (receipt.client, receipt.provider) = (client, provider);
        (receipt.channel, receipt.sequence) = (channel, 7);
        (receipt.tier, receipt.numerics, receipt.time) = (1, 1, time());
        receipt.job = jobOf(receipt);
    }

    function jobOf(Receipt memory r) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(r.channel, r.sequence, r.model, r.program, r.inputs));
    }

    function signed(Receipt memory receipt) internal view returns (bytes memory) {
        return sign(HOT_KEY, staking.receiptDigest(receipt));
    }

    /// Announces a report of `reporter`, and lets the seal's time pass.
    function announce(address reporter, Receipt memory first, Receipt memory second) internal {
        _announce(reporter, keccak256(abi.encode(first)), keccak256(abi.encode(second)));
    }

    function announce(address reporter, Receipt memory receipt) internal {
        _announce(reporter, keccak256(abi.encode(receipt)), 0);
    }

    function _announce(address reporter, bytes32 first, bytes32 second) private {
        bytes32 seal = misconduct.sealOf(reporter, first, second, SALT);
        vm.prank(reporter);
        misconduct.announce(seal);
        pass(misconduct.SEALED_FOR());
    }

    /// The client's voucher for the receipt's job.
    function agreed(uint256 key, Receipt memory r, uint128 amount) internal view returns (bytes memory) {
        return sign(key, escrow.voucherDigest(r.channel, r.sequence, amount, r.job));
    }
}
