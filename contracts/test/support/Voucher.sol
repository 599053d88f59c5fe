// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EscrowManager} from "../../src/EscrowManager.sol";
import {Redemption} from "../../src/types/Channel.sol";
import {vm} from "./Vm.sol";

/// @notice A voucher with the client's signature, as `redeem` takes it.
struct Voucher {
    bytes32 channel;
    uint64 sequence;
    uint128 amount;
    bytes32 job;
    bytes signature; // 65 bytes, r || s || v
}

function signVoucher(EscrowManager escrow, uint256 key, bytes32 channel, uint64 sequence, uint128 amount, bytes32 job)
    view
    returns (Voucher memory)
{
    bytes memory signature = sign(key, escrow.voucherDigest(channel, sequence, amount, job));
    return Voucher(channel, sequence, amount, job, signature);
}

/// @notice The same voucher, as `redeemMany` takes it.
function compact(Voucher memory v) pure returns (Redemption memory) {
    (bytes32 r, bytes32 s) = abi.decode(v.signature, (bytes32, bytes32));
    bytes32 vs = v.signature[64] == 0x1c ? s | bytes32(uint256(1) << 255) : s;
    return Redemption(v.channel, v.sequence, v.amount, v.job, r, vs);
}

function sign(uint256 key, bytes32 digest) pure returns (bytes memory) {
    (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
    return abi.encodePacked(r, s, v);
}
