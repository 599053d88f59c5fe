// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {OpenedRecord} from "../../src/types/Game.sol";
import {leafOf, nodeOf} from "./Hashes.sol";

// A program of which only the header is known: one input, one instruction, one output. Games about it can be opened,
// committed to and left, and nothing can be proved in them.

bytes32 constant OTHER_RECORDS = keccak256("the program's other records");
bytes32 constant OUTPUT_ROOT = keccak256("an output's root");

function headerOnly() pure returns (OpenedRecord memory header) {
    bytes memory fields = abi.encodePacked(
        bytes8(0), "AIVMPROG", uint32(1), uint32(1), uint64(0), uint32(1), uint32(0), uint32(1), uint32(1)
    );
    header.record = bytes.concat(fields, new bytes(256 - fields.length));
    header.path = new bytes32[](2);
    (header.path[0], header.path[1]) = (OTHER_RECORDS, OTHER_RECORDS);
}

function headerOnlyProgram() pure returns (bytes32) {
    return nodeOf(nodeOf(leafOf(headerOnly().record), OTHER_RECORDS), OTHER_RECORDS);
}

function headerOnlyOutputs() pure returns (bytes32) {
    return leafOf(abi.encode(OUTPUT_ROOT));
}
