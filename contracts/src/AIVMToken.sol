// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Burnable} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Burnable.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ERC20Votes} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Votes.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";

import {IAIVMToken} from "./interfaces/IAIVMToken.sol";

/// @title AIVMToken
/// @dev Votes are counted by timestamp (ERC-6372), because block times differ between the chains this may live on.
contract AIVMToken is ERC20, ERC20Burnable, ERC20Permit, ERC20Votes, IAIVMToken {
    /// @inheritdoc IAIVMToken
    uint256 public constant MAX_SUPPLY = 1_000_000_000e18;

    /// @param holder Receives the whole supply: the treasury of governance, or a distributor.
    constructor(address holder) ERC20("AIVM", "AIVM") ERC20Permit("AIVM") {
        _mint(holder, MAX_SUPPLY);
    }

    /// @inheritdoc IAIVMToken
    function burn(uint256 amount) public override(IAIVMToken, ERC20Burnable) {
        super.burn(amount);
    }

    /// @inheritdoc IAIVMToken
    function burnFrom(address owner, uint256 amount) public override(IAIVMToken, ERC20Burnable) {
        super.burnFrom(owner, amount);
    }

    function nonces(address owner) public view override(IERC20Permit, ERC20Permit, Nonces) returns (uint256) {
        return super.nonces(owner);
    }

    function clock() public view override returns (uint48) {
        return uint48(block.timestamp);
    }

    // solhint-disable-next-line func-name-mixedcase
    function CLOCK_MODE() public pure override returns (string memory) {
        return "mode=timestamp";
    }

    function _update(address from, address to, uint256 amount) internal override(ERC20, ERC20Votes) {
        super._update(from, to, amount);
    }
}
