// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputeGame} from "./interfaces/IDisputeGame.sol";
import {INumerics} from "./interfaces/INumerics.sol";
import {IOneStep} from "./interfaces/IOneStep.sol";
import {Casts} from "./libraries/Casts.sol";
import {Chains} from "./libraries/Chains.sol";
import {Elements} from "./libraries/Elements.sol";
import {Narrowing} from "./libraries/Narrowing.sol";
import {Openings} from "./libraries/Openings.sol";
import {PackedGame} from "./libraries/PackedGame.sol";
import {Record} from "./libraries/Record.sol";
import {Step} from "./libraries/Step.sol";
import {Claim, Stage, TensorType} from "./types/Claim.sol";
import {ElementPick, Evidence, PackedState, Phase, StepPick, Work} from "./types/Game.sol";
import {Receipt} from "./types/Receipt.sol";

/// @title The judge of a dispute: one scalar step of any instruction
contract OneStep is IOneStep {
    using Narrowing for PackedState;
    using Openings for PackedState;
    using PackedGame for PackedState;
    using Record for bytes;

    INumerics public immutable NUMERICS;

    constructor(INumerics numerics) {
        NUMERICS = numerics;
    }

    /// @inheritdoc IOneStep
    function prove(PackedState calldata packed, Receipt calldata, Work calldata work, Evidence calldata evidence)
        external
        view
        returns (bool)
    {
        return _isStepWrong(packed.read(), work, evidence);
    }

    /// @inheritdoc IOneStep
    function proveElement(
        PackedState calldata packed,
        Receipt calldata receipt,
        ElementPick calldata choice,
        Evidence calldata evidence
    ) external view returns (bool) {
        PackedState memory state = packed.read();
        if (state.pickElement(receipt.program, choice) != Phase.PROVE) revert IDisputeGame.NotNarrowed();
        return _isStepWrong(state, choice.work, evidence);
    }

    /// @inheritdoc IOneStep
    function proveStep(
        PackedState calldata packed,
        Receipt calldata,
        StepPick calldata choice,
        Work calldata work,
        Evidence calldata evidence
    ) external view returns (bool) {
        PackedState memory state = packed.read();
        if (state.pickStep(choice) != Phase.PROVE) revert IDisputeGame.NotNarrowed();
        return _isStepWrong(state, work, evidence);
    }

    /// @inheritdoc IOneStep
    function proveFinish(
        PackedState calldata packed,
        Receipt calldata,
        bytes calldata lanes,
        Work calldata work,
        Evidence calldata evidence
    ) external view returns (bool) {
        PackedState memory state = packed.read();
        state.demandLanes(lanes);
        Claim memory claim = state.claimOf(work, evidence);
        claim.stage = Stage.FINISH;
        claim.before = Narrowing.lanesOf(lanes);
        return _isWrong(state, claim);
    }

    /// @inheritdoc IOneStep
    function judge(Claim calldata claim) external view returns (uint64[] memory words, bool fault) {
        return _judge(claim);
    }

    /// @inheritdoc IOneStep
    function chainLength(bytes calldata record, TensorType[] calldata types) external pure returns (uint256) {
        bytes memory copied = record;
        copied.demandLength();
        return Chains.isChained(copied.opcode()) ? Chains.length(copied, types) : 0;
    }

    function _isStepWrong(PackedState memory state, Work calldata work, Evidence calldata evidence)
        private
        view
        returns (bool)
    {
        Claim memory claim = state.claimOf(work, evidence);
        state.placeStep(claim);
        return _isWrong(state, claim);
    }

    function _isWrong(PackedState memory state, Claim memory claim) private view returns (bool) {
        (uint64[] memory words, bool fault) = _judge(claim);
        return fault || !state.saysSo(words);
    }

    function _judge(Claim memory claim) private view returns (uint64[] memory words, bool fault) {
        Step memory step = Step({claim: claim, numerics: NUMERICS, reads: 0, fault: false});
        bytes memory record = claim.record;
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
}
