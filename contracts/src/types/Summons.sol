// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice How an order stands: whether its provider has shown what stands behind it.
/// @dev `Shown` and `Convicted` are final. A voided summons leaves nothing.
enum Standing {
    None, // nobody has asked, and nothing has been shown
    Summoned, // to be shown until the deadline
    Shown, // what stands behind it is proven, for ever
    Convicted // it was not shown in time
}

/// @notice A summons: one storage slot for each order.
struct Summons {
    address summoner; // has put up the bond; zero where the order was shown without being asked for
    uint64 deadline; // unix seconds; the last second in which it may be shown
    Standing standing;
}
