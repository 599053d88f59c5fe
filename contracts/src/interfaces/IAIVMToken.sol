// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";

/// @title The AIVM token: what stakes, fees and votes are counted in
/// @notice ERC-20 with permit (ERC-2612) and votes (ERC-5805, by timestamp). 18 decimals. The whole supply exists
/// from the start; it can shrink by burning and never grow. Nobody has a privilege over it.
interface IAIVMToken is IERC20, IERC20Permit {
    /// @notice The supply at the start, and the most there can ever be.
    function MAX_SUPPLY() external view returns (uint256);

    /// @notice Destroys `amount` of the caller's tokens. Emits {Transfer} to the zero address.
    function burn(uint256 amount) external;

    /// @notice Destroys `amount` of `owner`'s tokens, out of the caller's allowance.
    function burnFrom(address owner, uint256 amount) external;
}
