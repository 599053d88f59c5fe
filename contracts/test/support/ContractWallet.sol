// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {IEscrowManager} from "../../src/interfaces/IEscrowManager.sol";

/// @notice A client that is a contract: it accepts the digests that it was told to.
contract ContractWallet is IERC1271 {
    mapping(bytes32 digest => bool) public accepted;

    function open(IEscrowManager escrow, address provider, bytes32 model, uint128 amount)
        external
        returns (bytes32 channel)
    {
        IERC20(escrow.token()).approve(address(escrow), amount);
        return escrow.open(provider, model, amount, 0, uint64(block.timestamp) + 1 days);
    }

    function accept(bytes32 digest, bool yes) external {
        accepted[digest] = yes;
    }

    function isValidSignature(bytes32 digest, bytes calldata) external view returns (bytes4) {
        return accepted[digest] ? IERC1271.isValidSignature.selector : bytes4(0);
    }
}
