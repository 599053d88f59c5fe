// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AIVMToken} from "../../src/AIVMToken.sol";
import {EscrowManager} from "../../src/EscrowManager.sol";
import {ModelRegistry} from "../../src/ModelRegistry.sol";
import {Staking} from "../../src/Staking.sol";
import {Test} from "./Test.sol";
import {vm} from "./Vm.sol";
import {Voucher, signVoucher} from "./Voucher.sol";

/// @notice All contracts, deployed in the documented order, and the people who use them.
abstract contract World is Test {
    uint64 internal constant CHALLENGE_PERIOD = 1 days;
    uint64 internal constant UNBONDING_DELAY = 14 days;
    uint128 internal constant MINIMUM_STAKE = 1_000e18;
    uint16 internal constant FEE_BPS = 250;
    uint16 internal constant ROYALTY_BPS = 1_000;

    bytes32 internal constant MODEL = keccak256("manifest 1");
    bytes32 internal constant PROGRAMS = keccak256("programs 1");
    bytes32 internal constant JOB = keccak256("job");

    uint256 internal constant CLIENT_KEY = 0xc11e47;
    uint256 internal constant HOT_KEY = 0x407;

    address internal immutable governance = named("governance");
    address internal immutable treasury = named("treasury");
    address internal immutable publisher = named("publisher");
    address internal immutable provider = named("provider");
    address internal immutable slasher = named("slasher");
    address internal immutable verifier = named("verifier");
    address internal immutable stranger = named("stranger");
    address internal immutable client = vm.addr(CLIENT_KEY);
    address internal immutable hotKey = vm.addr(HOT_KEY);

    AIVMToken internal token;
    ModelRegistry internal registry;
    Staking internal staking;
    EscrowManager internal escrow;

    function setUp() public virtual {
        vm.warp(1_800_000_000);
        token = new AIVMToken(address(this));
        registry = new ModelRegistry(governance);
        staking = new Staking(token, governance, UNBONDING_DELAY, MINIMUM_STAKE);
        escrow = new EscrowManager(token, registry, governance, treasury, FEE_BPS, CHALLENGE_PERIOD);
        bytes32 role = staking.SLASHER_ROLE();
        vm.prank(governance);
        staking.grantRole(role, slasher);
        give(client, 1_000_000e18, address(escrow));
        give(provider, 1_000_000e18, address(staking));
        vm.prank(publisher);
        registry.register("demo/minilm", "1.0.0", MODEL, PROGRAMS, ROYALTY_BPS, "ipfs://manifest");
    }

    function named(string memory name) internal pure returns (address) {
        return address(uint160(uint256(keccak256(bytes(name)))));
    }

    /// Gives `amount` tokens, and lets `spender` take them.
    function give(address to, uint256 amount, address spender) internal {
        token.transfer(to, amount);
        vm.prank(to);
        token.approve(spender, type(uint256).max);
    }

    function registerProvider() internal {
        vm.prank(provider);
        staking.registerProvider(hotKey, "https://provider.example");
    }

    function openChannel(uint128 amount) internal returns (bytes32 channel) {
        return openChannel(amount, 0);
    }

    function openChannel(uint128 amount, bytes32 salt) internal returns (bytes32 channel) {
        vm.prank(client);
        return escrow.open(provider, MODEL, amount, salt, time() + 30 days);
    }

    /// A voucher signed by the client's key.
    function voucher(bytes32 channel, uint64 sequence, uint128 amount) internal view returns (Voucher memory) {
        return signVoucher(escrow, CLIENT_KEY, channel, sequence, amount, JOB);
    }

    function redeem(Voucher memory v) internal returns (uint128 paid) {
        return escrow.redeem(v.channel, v.sequence, v.amount, v.job, v.signature);
    }

    /// What AccessControl says to somebody without a role.
    function lacksRole(address account, bytes32 role) internal pure returns (bytes memory) {
        return abi.encodeWithSignature("AccessControlUnauthorizedAccount(address,bytes32)", account, role);
    }
}
