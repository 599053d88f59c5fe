// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title EIP-712 struct hash of a voucher
library VoucherHash {
    bytes32 internal constant TYPEHASH =
        keccak256("Voucher(bytes32 channel,uint64 sequence,uint128 amount,bytes32 job)");

    function hash(bytes32 channel, uint64 sequence, uint128 amount, bytes32 job) internal pure returns (bytes32) {
        return keccak256(abi.encode(TYPEHASH, channel, sequence, amount, job));
    }
}
