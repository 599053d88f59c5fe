// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice A provider, as the staking contract answers it. Amounts are token base units.
struct Provider {
    address hotKey; // signs receipts now
    string endpoint; // base URL of its API
    uint128 staked; // backs its receipts, not asked back
    uint128 unbonding; // asked back, still slashable
    uint64 heldUntil; // no withdrawal before this time (a dispute is open)
    uint64 registeredAt; // unix seconds
    bool paused; // by its own wish
    bool active; // not paused, and staked at least the minimum
}

/// @notice Stake on its way out.
struct Unbonding {
    uint128 amount; // what slashing has left of it
    uint64 withdrawableAt; // unix seconds
}

/// @notice What was slashed and not yet collected.
struct Spoils {
    uint128 awarded; // the beneficiary's
    uint128 burning;
}
