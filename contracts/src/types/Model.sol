// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice How far a registered model may be trusted to stay.
/// @dev `Active` may move to `Deprecated` (its publisher) or `Revoked` (governance); nothing moves back.
enum ModelStatus {
    None, // never registered
    Active, // may be used
    Deprecated, // may be used; its publisher advises another version
    Revoked // governance refuses it: no new channel can be opened for it
}

/// @notice A registered model, as the registry answers it.
struct Model {
    string name; // "owner/name"
    string version; // "major.minor.patch"
    address publisher; // who owns the namespace now: receives the royalty
    bytes32 programs; // root of the model's tensor programs, as its manifest lists them
    uint16 royaltyBps; // share of each payment in a channel opened from now on
    ModelStatus status;
    uint64 registeredAt; // unix seconds
    string uri; // where the manifest can be fetched ("ipfs://...")
}
