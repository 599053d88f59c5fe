// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ModelRegistry} from "../src/ModelRegistry.sol";
import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {Model, ModelStatus} from "../src/types/Model.sol";
import {Test} from "./support/Test.sol";
import {vm} from "./support/Vm.sol";

contract ModelRegistryTest is Test {
    address private constant GOVERNANCE = address(0x60);
    address private constant ALICE = address(0xa11ce);
    address private constant BOB = address(0xb0b);
    bytes32 private constant M1 = keccak256("m1");
    bytes32 private constant M2 = keccak256("m2");
    bytes32 private constant M3 = keccak256("m3");
    bytes32 private constant PROGRAMS = keccak256("programs");

    ModelRegistry private registry;

    function setUp() public {
        vm.warp(1_800_000_000);
        registry = new ModelRegistry(GOVERNANCE);
    }

    function _register(address publisher, string memory name, string memory version, bytes32 model) private {
        vm.prank(publisher);
        registry.register(name, version, model, PROGRAMS, 1_000, "ipfs://m");
    }

    function _expect(bytes memory problem) private {
        vm.expectRevert(problem);
    }

    // --- register --------------------------------------------------------------------------------

    function test_registerKeepsEverything() public {
        vm.expectEmit(address(registry));
        emit IModelRegistry.NamespaceClaimed("demo", ALICE);
        vm.expectEmit(address(registry));
        emit IModelRegistry.ModelRegistered(M1, ALICE, "demo/minilm", "1.0.0", PROGRAMS, 1_000, "ipfs://m");
        _register(ALICE, "demo/minilm", "1.0.0", M1);

        Model memory model = registry.getModel(M1);
        assertEq(model.name, "demo/minilm", "name");
        assertEq(model.version, "1.0.0", "version");
        assertEq(model.publisher, ALICE, "publisher");
        assertEq(model.programs, PROGRAMS, "programs");
        assertEq(uint256(model.royaltyBps), 1_000, "royalty");
        assertEq(uint256(model.status), uint256(ModelStatus.Active), "status");
        assertEq(uint256(model.registeredAt), time(), "time");
        assertEq(model.uri, "ipfs://m", "uri");
        assertEq(registry.resolve("demo/minilm", "1.0.0"), M1, "resolve");
        assertEq(registry.latest("demo/minilm"), M1, "latest");
        (address publisher, uint16 royalty, ModelStatus status) = registry.terms(M1);
        assertEq(publisher, ALICE, "terms: publisher");
        assertEq(uint256(royalty), 1_000, "terms: royalty");
        assertEq(uint256(status), uint256(ModelStatus.Active), "terms: status");
    }

    function test_listsModelsAndReleasesInOrder() public {
        _register(ALICE, "demo/a", "1.0.0", M1);
        _register(BOB, "bob/b", "1.0.0", M2);
        _register(ALICE, "demo/a", "1.1.0", M3);
        assertEq(registry.modelCount(), 3, "models");
        assertEq(registry.modelAt(1), M2, "second model");
        assertEq(registry.releaseCount("demo/a"), 2, "releases");
        assertEq(registry.releaseAt("demo/a", 1), M3, "second release");
        assertEq(registry.releaseCount("nobody/a"), 0, "unknown name");
    }

    function test_registerRefusesWhatIsMalformed() public {
        _expect(abi.encodeWithSelector(IModelRegistry.ZeroDigest.selector));
        registry.register("a/b", "1.0.0", 0, PROGRAMS, 0, "u");
        _expect(abi.encodeWithSelector(IModelRegistry.ZeroDigest.selector));
        registry.register("a/b", "1.0.0", M1, 0, 0, "u");
        _expect(abi.encodeWithSelector(IModelRegistry.MalformedName.selector, "a/B"));
        registry.register("a/B", "1.0.0", M1, PROGRAMS, 0, "u");
        _expect(abi.encodeWithSelector(IModelRegistry.MalformedVersion.selector, "1.0"));
        registry.register("a/b", "1.0", M1, PROGRAMS, 0, "u");
        _expect(abi.encodeWithSelector(IModelRegistry.RoyaltyTooHigh.selector, 3_001, 3_000));
        registry.register("a/b", "1.0.0", M1, PROGRAMS, 3_001, "u");
        _expect(abi.encodeWithSelector(IModelRegistry.WrongUriLength.selector, 0, 256));
        registry.register("a/b", "1.0.0", M1, PROGRAMS, 0, "");
        _expect(abi.encodeWithSelector(IModelRegistry.WrongUriLength.selector, 257, 256));
        registry.register("a/b", "1.0.0", M1, PROGRAMS, 0, string(new bytes(257)));
        assertEq(registry.modelCount(), 0, "nothing was registered");
    }

    function test_aModelIsRegisteredOnce() public {
        _register(ALICE, "demo/a", "1.0.0", M1);
        _expect(abi.encodeWithSelector(IModelRegistry.AlreadyRegistered.selector, M1));
        _register(ALICE, "demo/a", "1.0.1", M1);
        _expect(abi.encodeWithSelector(IModelRegistry.AlreadyRegistered.selector, M1));
        _register(BOB, "bob/a", "1.0.0", M1);
    }

    function test_aVersionNeverChanges() public {
        _register(ALICE, "demo/a", "1.0.0", M1);
        _expect(abi.encodeWithSelector(IModelRegistry.VersionTaken.selector, "demo/a", "1.0.0", M1));
        _register(ALICE, "demo/a", "1.0.0", M2);
    }

    function test_aNamespaceBelongsToTheFirst() public {
        _register(ALICE, "demo/a", "1.0.0", M1);
        _expect(abi.encodeWithSelector(IModelRegistry.NotPublisher.selector, BOB, ALICE));
        _register(BOB, "demo/b", "1.0.0", M2);
        _register(BOB, "demo2/b", "1.0.0", M2);
        (address publisher,) = registry.namespaceOwner("demo2");
        assertEq(publisher, BOB, "another namespace");
    }

    function test_lookingUpWhatIsNotThere() public {
        _register(ALICE, "demo/a", "1.0.0", M1);
        _expect(abi.encodeWithSelector(IModelRegistry.UnknownModel.selector, M2));
        registry.getModel(M2);
        _expect(abi.encodeWithSelector(IModelRegistry.UnknownName.selector, "demo/b"));
        registry.latest("demo/b");
        _expect(abi.encodeWithSelector(IModelRegistry.UnknownName.selector, "demo/b"));
        registry.resolve("demo/b", "1.0.0");
        _expect(abi.encodeWithSelector(IModelRegistry.UnknownVersion.selector, "demo/a", "1.0.1"));
        registry.resolve("demo/a", "1.0.1");
        (address publisher, uint16 royalty, ModelStatus status) = registry.terms(M2);
        assertEq(publisher, address(0), "publisher");
        assertEq(uint256(royalty) + uint256(status), 0, "terms");
    }

    // --- latest ----------------------------------------------------------------------------------

    function test_latestNeverRollsBack() public {
        _register(ALICE, "demo/a", "2.0.0", M1);
        _register(ALICE, "demo/a", "1.9.9", M2);
        assertEq(registry.latest("demo/a"), M1, "after a late fix of an old version");
        _register(ALICE, "demo/a", "10.0.0", M3);
        assertEq(registry.latest("demo/a"), M3, "ten is more than two");
        vm.prank(ALICE);
        registry.deprecate(M3);
        assertEq(registry.latest("demo/a"), M3, "deprecated");
        vm.prank(GOVERNANCE);
        registry.revoke(M3);
        assertEq(registry.latest("demo/a"), M3, "revoked");
    }

    function test_theZeroVersionCanBeTheLatest() public {
        _register(ALICE, "demo/a", "0.0.0", M1);
        assertEq(registry.latest("demo/a"), M1, "latest");
        assertEq(registry.resolve("demo/a", "0.0.0"), M1, "resolve");
    }

    function testFuzz_latestIsTheHighest(uint8[12] memory patches) public {
        uint256 highest = 0;
        bytes32 expected;
        for (uint256 i = 0; i < patches.length; ++i) {
            bytes32 model = keccak256(abi.encode(i));
            string memory version = string.concat("1.0.", vm.toString(patches[i]));
            vm.prank(ALICE);
            try registry.register("demo/a", version, model, PROGRAMS, 0, "u") {
                if (expected == 0 || patches[i] > highest) (highest, expected) = (patches[i], model);
            } catch {
                assertTrue(registry.resolve("demo/a", version) != 0, "refused only a version that is there");
            }
            assertEq(registry.latest("demo/a"), expected, "latest");
        }
    }

    // --- status and royalty ----------------------------------------------------------------------

    function test_deprecateIsThePublishersAndFinal() public {
        _register(ALICE, "demo/a", "1.0.0", M1);
        _expect(abi.encodeWithSelector(IModelRegistry.NotPublisher.selector, BOB, ALICE));
        vm.prank(BOB);
        registry.deprecate(M1);
        vm.expectEmit(address(registry));
        emit IModelRegistry.ModelDeprecated(M1);
        vm.prank(ALICE);
        registry.deprecate(M1);
        assertEq(uint256(registry.getModel(M1).status), uint256(ModelStatus.Deprecated), "status");
        _expect(abi.encodeWithSelector(IModelRegistry.WrongStatus.selector, M1, ModelStatus.Deprecated));
        vm.prank(ALICE);
        registry.deprecate(M1);
        _expect(abi.encodeWithSelector(IModelRegistry.UnknownModel.selector, M2));
        registry.deprecate(M2);
    }

    function test_revokeIsGovernancesAndFinal() public {
        _register(ALICE, "demo/a", "1.0.0", M1);
        _expect(abi.encodeWithSignature("AccessControlUnauthorizedAccount(address,bytes32)", ALICE, bytes32(0)));
        vm.prank(ALICE);
        registry.revoke(M1);
        vm.startPrank(GOVERNANCE);
        vm.expectEmit(address(registry));
        emit IModelRegistry.ModelRevoked(M1);
        registry.revoke(M1);
        _expect(abi.encodeWithSelector(IModelRegistry.WrongStatus.selector, M1, ModelStatus.Revoked));
        registry.revoke(M1);
        _expect(abi.encodeWithSelector(IModelRegistry.UnknownModel.selector, M2));
        registry.revoke(M2);
        vm.stopPrank();
        _expect(abi.encodeWithSelector(IModelRegistry.WrongStatus.selector, M1, ModelStatus.Revoked));
        vm.prank(ALICE);
        registry.deprecate(M1);
    }

    function test_setRoyaltyIsBoundedAndThePublishers() public {
        _register(ALICE, "demo/a", "1.0.0", M1);
        _expect(abi.encodeWithSelector(IModelRegistry.NotPublisher.selector, BOB, ALICE));
        vm.prank(BOB);
        registry.setRoyalty(M1, 0);
        vm.startPrank(ALICE);
        _expect(abi.encodeWithSelector(IModelRegistry.RoyaltyTooHigh.selector, 3_001, 3_000));
        registry.setRoyalty(M1, 3_001);
        vm.expectEmit(address(registry));
        emit IModelRegistry.RoyaltyChanged(M1, 3_000);
        registry.setRoyalty(M1, 3_000);
        assertEq(uint256(registry.getModel(M1).royaltyBps), 3_000, "royalty");
    }

    // --- namespaces ------------------------------------------------------------------------------

    function test_aNamespaceIsHandedOverInTwoSteps() public {
        _register(ALICE, "demo/a", "1.0.0", M1);
        vm.expectEmit(address(registry));
        emit IModelRegistry.NamespaceOffered("demo", ALICE, BOB);
        vm.prank(ALICE);
        registry.offerNamespace("demo", BOB);
        (address publisher, address successor) = registry.namespaceOwner("demo");
        assertEq(publisher, ALICE, "still the owner");
        assertEq(successor, BOB, "offered");
        vm.expectEmit(address(registry));
        emit IModelRegistry.NamespaceTransferred("demo", ALICE, BOB);
        vm.prank(BOB);
        registry.acceptNamespace("demo");
        assertEq(registry.getModel(M1).publisher, BOB, "old models go along");
        _expect(abi.encodeWithSelector(IModelRegistry.NotPublisher.selector, ALICE, BOB));
        _register(ALICE, "demo/a", "1.1.0", M2);
        _register(BOB, "demo/a", "1.1.0", M2);
        _expect(abi.encodeWithSelector(IModelRegistry.NotSuccessor.selector, BOB, address(0)));
        vm.prank(BOB);
        registry.acceptNamespace("demo");
    }

    function test_anOfferCanBeTakenBack() public {
        _register(ALICE, "demo/a", "1.0.0", M1);
        vm.startPrank(ALICE);
        registry.offerNamespace("demo", BOB);
        registry.offerNamespace("demo", ALICE);
        vm.stopPrank();
        _expect(abi.encodeWithSelector(IModelRegistry.NotSuccessor.selector, BOB, address(0)));
        vm.prank(BOB);
        registry.acceptNamespace("demo");
    }

    function test_onlyTheOwnerOffersAndOnlyTheSuccessorAccepts() public {
        _register(ALICE, "demo/a", "1.0.0", M1);
        _expect(abi.encodeWithSelector(IModelRegistry.NotPublisher.selector, BOB, ALICE));
        vm.prank(BOB);
        registry.offerNamespace("demo", BOB);
        _expect(abi.encodeWithSelector(IModelRegistry.NotPublisher.selector, BOB, address(0)));
        vm.prank(BOB);
        registry.offerNamespace("free", BOB);
        _expect(abi.encodeWithSelector(IModelRegistry.ZeroAddress.selector));
        vm.prank(ALICE);
        registry.offerNamespace("demo", address(0));
        _expect(abi.encodeWithSelector(IModelRegistry.NotSuccessor.selector, BOB, address(0)));
        vm.prank(BOB);
        registry.acceptNamespace("free");
    }

    function test_governanceIsNeverNobody() public {
        _expect(abi.encodeWithSelector(IModelRegistry.ZeroAddress.selector));
        new ModelRegistry(address(0));
    }
}
