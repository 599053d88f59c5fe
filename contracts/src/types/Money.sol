// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice The money of a channel in one storage slot: deposit (96 bits) | redeemed (96).
/// @dev One word, because a redemption then reads it once and writes it once. 96 bits hold 79 times the token's supply.
type Money is uint256;

using {deposit, redeemed} for Money global;

uint256 constant MAX_MONEY = type(uint96).max;

/// @dev Both amounts must be at most `MAX_MONEY`.
function toMoney(uint256 deposit_, uint256 redeemed_) pure returns (Money) {
    return Money.wrap((deposit_ << 96) | redeemed_);
}

function deposit(Money money) pure returns (uint128) {
    return uint128(Money.unwrap(money) >> 96);
}

function redeemed(Money money) pure returns (uint128) {
    return uint128(Money.unwrap(money) & MAX_MONEY);
}
