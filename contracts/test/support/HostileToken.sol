// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @notice A token that calls its holder's target back in the middle of a transfer, once.
contract HostileToken is ERC20("hostile", "HOSTILE") {
    address private _target;
    bytes private _call;

    /// What the reentrant call answered.
    bool public tried;
    bytes public answer;

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function burn(uint256 amount) external {
        _burn(msg.sender, amount);
    }

    function attack(address target, bytes calldata call) external {
        (_target, _call, tried) = (target, call, false);
    }

    function _update(address from, address to, uint256 amount) internal override {
        super._update(from, to, amount);
        if (_target == address(0)) return;
        address target = _target;
        _target = address(0);
        bool ok;
        (ok, answer) = target.call(_call);
        tried = true;
        require(!ok, "reentered");
    }
}
