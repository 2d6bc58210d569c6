// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IENSRegistry} from "../../src/interfaces/IRegistry.sol";
import {Test} from "forge-std/Test.sol";

/// @notice Deploys ENS's own bytecode, as it is published on npm.
abstract contract RealEns is Test {
    bytes32 internal constant ROOT = 0;
    // EIP-137's examples.
    bytes32 internal constant ETH =
        0x93cdeb708b7545dc668eb9280176169d1c33cfd8ed6f04690a0bcc88a93fc4ae;
    bytes32 internal constant FOO_ETH =
        0xde9b09fd7c5f901e23a3f19fecc54828e9c848539801e86591bd9801b019f84f;

    function deployRegistry() internal returns (IENSRegistry) {
        return IENSRegistry(deploy("@ensdomains/ens/build/contracts/ENSRegistry.json", ""));
    }

    function deployPublicResolver(IENSRegistry registry) internal returns (address) {
        return deploy(
            "@ensdomains/resolver/build/contracts/PublicResolver.json",
            abi.encode(address(registry))
        );
    }

    function deploy(string memory path, bytes memory arguments) private returns (address at) {
        string memory artifact = vm.readFile(string.concat("node_modules/", path));
        bytes memory code =
            bytes.concat(vm.parseBytes(vm.parseJsonString(artifact, ".bytecode")), arguments);
        assembly ("memory-safe") {
            at := create(0, add(code, 0x20), mload(code))
        }
        require(at != address(0), "create failed");
    }
}
