// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {INumerics} from "./interfaces/INumerics.sol";
import {IOneStep} from "./interfaces/IOneStep.sol";
import {Casts} from "./libraries/Casts.sol";
import {Chains} from "./libraries/Chains.sol";
import {Elements} from "./libraries/Elements.sol";
import {Record} from "./libraries/Record.sol";
import {Step} from "./libraries/Step.sol";
import {Claim, Stage, TensorType} from "./types/Claim.sol";

/// @title The judge of a dispute: one scalar step of any instruction
contract OneStep is IOneStep {
    using Record for bytes;

    INumerics public immutable NUMERICS;

    constructor(INumerics numerics) {
        NUMERICS = numerics;
    }

    /// @inheritdoc IOneStep
    function judge(Claim calldata claim) external view returns (uint64[] memory words, bool fault) {
        Step memory step = Step({claim: claim, numerics: NUMERICS, reads: 0, fault: false});
        bytes memory record = step.claim.record;
        record.demandLength();
        if (claim.types.length != record.operands()) revert WrongTypes(claim.types.length, record.operands());
        if (Chains.isChained(record.opcode())) {
            words = Chains.judge(step);
        } else {
            if (claim.stage != Stage.ELEMENT || claim.step != 0) revert NoSuchStage();
            if (claim.before.length != 0) revert WrongState(claim.before.length, 0);
            words = new uint64[](1);
            // forge-lint: disable-next-line(unsafe-typecast)
            words[0] = uint64(Casts.canonical(record.dtype(), Elements.element(step))); // a word has at most 64 bits
        }
        if (step.reads != claim.reads.length) revert WrongReads();
        fault = step.fault;
    }

    /// @inheritdoc IOneStep
    function chainLength(bytes calldata record, TensorType[] calldata types) external pure returns (uint256) {
        bytes memory copied = record;
        copied.demandLength();
        return Chains.isChained(copied.opcode()) ? Chains.length(copied, types) : 0;
    }
}
