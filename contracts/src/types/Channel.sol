// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Where a payment channel is in its life.
enum ChannelStatus {
    None, // never opened
    Open, // before its expiry: vouchers may be made and redeemed
    Closing, // past its expiry: vouchers may only be redeemed, until somebody finalizes it
    Closed // paid out and refunded; its id is spent for ever
}

/// @notice A payment channel, as the escrow answers it. Amounts are token base units.
struct Channel {
    address client;
    address provider;
    bytes32 model;
    uint128 deposit; // all that the client has put in; what was refunded is taken off again
    uint128 redeemed; // all that vouchers have taken out, at most `deposit`
    uint64 expiry; // no job should be accepted from here on; 0 once closed
    uint64 refundableAt; // anyone may finalize from here on; 0 once closed
    uint16 royaltyBps; // the publisher's share, fixed when the channel was opened
    uint16 feeBps; // the treasury's share, fixed when the channel was opened
    uint32 till; // where redeemed money waits for `payOut`
    ChannelStatus status;
}

/// @notice Where redeemed money of one (provider, model, royalty, fee) waits to be paid out.
struct Till {
    address provider;
    uint16 royaltyBps;
    uint16 feeBps;
    bytes32 model;
    uint128 redeemed; // by all channels that share this till
    uint128 paidOut; // of that, already split and paid
}

/// @notice One entry of `redeemMany`: a voucher with the client's signature in compact form (ERC-2098).
struct Redemption {
    bytes32 channel;
    uint64 sequence;
    uint128 amount;
    bytes32 job;
    bytes32 r;
    bytes32 vs; // s, with the top bit set if v is 28
}
