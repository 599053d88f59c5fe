// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Receipt} from "../types/Receipt.sol";

/// @title Job ids: one paid request, named before it runs
/// @dev `aivm.receipts.jobs` in Python.
library JobId {
    /// @notice The job that the receipt's other fields make; an honest receipt's `job` is it.
    function expectedJob(Receipt calldata receipt) internal pure returns (bytes32) {
        return
            sha256(abi.encodePacked(receipt.channel, receipt.sequence, receipt.model, receipt.program, receipt.inputs));
    }
}
