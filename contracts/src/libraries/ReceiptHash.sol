// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Receipt} from "../types/Receipt.sol";

/// @title EIP-712 struct hash of a receipt
library ReceiptHash {
    bytes32 internal constant TYPEHASH = keccak256(
        "Receipt(bytes32 job,bytes32 model,bytes32 program,bytes32 inputs,bytes32 outputs,address client,"
        "address provider,bytes32 channel,uint64 sequence,uint8 tier,uint32 numerics,uint64 time,bytes32 attestation)"
    );

    function hash(Receipt calldata receipt) internal pure returns (bytes32) {
        return keccak256(abi.encode(TYPEHASH, receipt)); // all members are static: encoded in place, one word each
    }
}
