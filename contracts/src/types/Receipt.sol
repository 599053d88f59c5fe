// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice A provider's claim that `model` maps `inputs` to `outputs`. Signed by its hot key (EIP-712).
struct Receipt {
    bytes32 job; // SHA256(channel || sequence || model || program || inputs)
    bytes32 model; // SHA-256 of the manifest
    bytes32 program; // root of the program that was run
    bytes32 inputs; // bundle root
    bytes32 outputs; // bundle root
    address client;
    address provider; // owner account, not the hot key
    bytes32 channel;
    uint64 sequence; // of the voucher that pays for it
    uint8 tier; // 0 local, 1 optimistic, 2 redundant, 3 attested, 4 zk
    uint32 numerics; // version of the arithmetic
    uint64 time; // unix seconds
    bytes32 attestation; // 0 when there is none
}
