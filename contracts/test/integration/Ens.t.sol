// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ProviderResolver} from "../../src/ProviderResolver.sol";
import {Registry} from "../../src/Registry.sol";
import {IProviderResolver, ITextResolver} from "../../src/interfaces/IProviderResolver.sol";
import {IENSRegistry} from "../../src/interfaces/IRegistry.sol";
import {RealEns} from "../support/RealEns.sol";
import {Vm} from "forge-std/Vm.sol";

/// @notice What tests use of ENS's PublicResolver.
interface IPublicResolver is ITextResolver {
    function setAddr(bytes32 node, address a) external;
    function setText(bytes32 node, string calldata key, string calldata value) external;
    function addr(bytes32 node) external view returns (address payable);
}

/// @notice Our registry and resolver beside the real ones, whose bytecode ENS published on npm.
contract EnsTest is RealEns {
    address private _provider = makeAddr("provider");
    IENSRegistry private _ens;
    IENSRegistry private _ours;

    function setUp() public {
        _ens = deployRegistry();
        _ours = new Registry(address(this));
    }

    function test_our_resolver_serves_a_name_of_the_real_registry() public {
        resolveThrough(_ens);
    }

    function test_our_resolver_serves_a_name_of_our_registry() public {
        resolveThrough(_ours);
    }

    function test_the_real_public_resolver_works_on_our_registry() public {
        IPublicResolver resolver = IPublicResolver(deployPublicResolver(_ours));
        giveFooTo(_ours, address(this));
        _ours.setResolver(FOO_ETH, address(resolver));
        resolver.setAddr(FOO_ETH, _provider);
        resolver.setText(FOO_ETH, "url", "https://provider.example");
        assertEq(resolver.addr(FOO_ETH), _provider);
        assertEq(resolver.text(FOO_ETH, "url"), "https://provider.example");
        // It asks the registry who may: a stranger may not.
        vm.prank(makeAddr("stranger"));
        vm.expectRevert();
        resolver.setAddr(FOO_ETH, address(1));
    }

    /// @dev Any order of calls by anybody: both registries agree, in answers, events and refusals.
    /// forge-config: default.fuzz.runs = 64
    function testFuzz_both_registries_do_the_same(bytes32 seed) public {
        for (uint256 i = 0; i < 20; ++i) {
            seed = keccak256(abi.encode(seed, i));
            bytes memory data = step(uint256(seed));
            address caller = actor(uint256(seed) >> 64);
            (bool theirs, bytes memory theirAnswer, Vm.Log[] memory theirLogs) =
                record(_ens, caller, data);
            (bool ours, bytes memory ourAnswer, Vm.Log[] memory ourLogs) =
                record(_ours, caller, data);
            assertEq(ours, theirs);
            if (ours) assertEq(ourAnswer, theirAnswer);
            assertEq(ourLogs.length, theirLogs.length);
            for (uint256 l = 0; l < ourLogs.length; ++l) {
                assertEq(abi.encode(ourLogs[l].topics), abi.encode(theirLogs[l].topics));
                assertEq(ourLogs[l].data, theirLogs[l].data);
            }
            assertSame(ROOT);
            assertSame(ETH);
            assertSame(FOO_ETH);
        }
    }

    /* STEPS */

    function resolveThrough(IENSRegistry registry) private {
        ProviderResolver resolver =
            new ProviderResolver(_provider, "https://provider.example", "age1pq1example");
        giveFooTo(registry, address(this));
        registry.setResolver(FOO_ETH, address(resolver));
        IProviderResolver found = IProviderResolver(registry.resolver(FOO_ETH));
        assertEq(found.addr(FOO_ETH), _provider);
        assertEq(found.text(FOO_ETH, "url"), "https://provider.example");
        assertEq(found.text(FOO_ETH, "khachapuri.age"), "age1pq1example");
    }

    function giveFooTo(IENSRegistry registry, address to) private {
        registry.setSubnodeOwner(ROOT, keccak256("eth"), address(this));
        assertEq(registry.owner(ETH), address(this));
        registry.setSubnodeOwner(ETH, keccak256("foo"), to);
        assertEq(registry.owner(FOO_ETH), to);
    }

    function actor(uint256 seed) private returns (address) {
        if (seed % 3 == 0) return makeAddr("anna");
        return seed % 3 == 1 ? makeAddr("ben") : address(this);
    }

    function step(uint256 seed) private returns (bytes memory) {
        bytes32 node = [ROOT, ETH, FOO_ETH][(seed >> 8) % 3];
        bytes32 label = [keccak256("eth"), keccak256("foo")][(seed >> 16) % 2];
        address who = actor(seed >> 24);
        address resolver = address(uint160((seed >> 32) % 3));
        uint64 ttl = uint64((seed >> 40) % 3);
        uint256 kind = seed % 7;
        if (kind == 0) return abi.encodeCall(IENSRegistry.setSubnodeOwner, (node, label, who));
        if (kind == 1) return abi.encodeCall(IENSRegistry.setResolver, (node, resolver));
        if (kind == 2) return abi.encodeCall(IENSRegistry.setTTL, (node, ttl));
        if (kind == 3) return abi.encodeCall(IENSRegistry.setRecord, (node, who, resolver, ttl));
        if (kind == 4) return abi.encodeCall(IENSRegistry.setApprovalForAll, (who, ttl == 0));
        if (kind == 5) {
            return abi.encodeCall(IENSRegistry.setSubnodeRecord, (node, label, who, resolver, ttl));
        }
        return abi.encodeCall(IENSRegistry.setOwner, (node, who));
    }

    function record(IENSRegistry registry, address caller, bytes memory data)
        private
        returns (bool success, bytes memory answer, Vm.Log[] memory logs)
    {
        vm.recordLogs();
        vm.prank(caller);
        (success, answer) = address(registry).call(data);
        logs = vm.getRecordedLogs();
    }

    function assertSame(bytes32 node) private view {
        assertEq(_ours.owner(node), _ens.owner(node));
        assertEq(_ours.resolver(node), _ens.resolver(node));
        assertEq(_ours.ttl(node), _ens.ttl(node));
        assertEq(_ours.recordExists(node), _ens.recordExists(node));
    }
}
