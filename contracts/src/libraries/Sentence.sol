// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {IAIVMToken} from "../interfaces/IAIVMToken.sol";
import {IStaking} from "../interfaces/IStaking.sol";

/// @title What a conviction and a false accusation cost, and who gets it
/// @notice One place for every contract that convicts, so that no way of convicting oneself is cheaper than another:
/// half of what is taken is burned, whatever the accomplices are.
library Sentence {
    using SafeERC20 for IAIVMToken;

    /// @notice Added to every hold, so that there is time to call the end while the stake is there.
    uint64 internal constant SETTLING = 1 days;
    bytes32 private constant SLASHER_ROLE = keccak256("SLASHER_ROLE"); // the stake's own, without asking it
    uint16 private constant AWARD_BPS = 5_000; // of what is slashed; the rest is burned
    uint16 private constant CLIENT_BPS = 2_000; // of the award

    /// @notice Whether the calling contract may still slash. If not, a game ends without a sentence: governance has
    /// retired the contract, and the accuser's bond goes home.
    /// @dev Asked for, and not tried: a failing call could also be one that was given too little gas.
    function isInPower(IStaking staking) internal view returns (bool) {
        return IAccessControl(address(staking)).hasRole(SLASHER_ROLE, address(this));
    }

    /// @notice Takes the penalty: half of it is to be burned, the rest waits for the calling contract at `staking`.
    /// @return taken Of the stake; less than the penalty if there was not so much.
    /// @return award The accuser's part.
    /// @return share The client's part; none if `client` is zero.
    function take(IStaking staking, uint256 penalty, address provider, address client)
        internal
        returns (uint256 taken, uint256 award, uint256 share)
    {
        taken = staking.slash(provider, penalty, address(this), AWARD_BPS);
        award = taken * AWARD_BPS / 10_000;
        share = client == address(0) ? 0 : award * CLIENT_BPS / 10_000;
        award -= share;
    }

    /// @notice The same, collected at once, and the client paid.
    /// @return taken As above.
    /// @return award Tokens that the calling contract now has, and must pay out.
    function convict(IStaking staking, IAIVMToken token, uint256 penalty, address provider, address client)
        internal
        returns (uint256 taken, uint256 award)
    {
        uint256 share;
        (taken, award, share) = take(staking, penalty, provider, client);
        staking.collect(address(this));
        if (share > 0) token.safeTransfer(client, share);
    }

    /// @notice Half of a lost bond pays the provider's trouble; the rest is burned, so that nobody accuses for nothing.
    function forfeit(IAIVMToken token, uint256 bond, address provider) internal {
        uint256 half = bond / 2;
        token.burn(bond - half);
        if (half > 0) token.safeTransfer(provider, half);
    }
}
