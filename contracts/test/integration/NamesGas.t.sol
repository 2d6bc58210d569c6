// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ContentResolver} from "../../src/ContentResolver.sol";
import {Registry} from "../../src/Registry.sol";
import {Test} from "forge-std/Test.sol";

/// @notice What it costs to give a developer a name and to point it to a deployment, as
/// transactions of their own. The figures are committed in `contracts/snapshots`.
/// forge-config: default.isolate = true
contract NamesGasTest is Test {
    string private constant GROUP = "Names";
    bytes private constant CONTENT =
        hex"e3010170122029f2d17be6139079dc48696d1f582a8530eb9805b561eda517e22a892c7e3f1f";
    bytes private constant OTHER =
        hex"e30101551220aaaaaaaabbbbbbbbccccccccddddddddeeeeeeeeffffffff0000000011111111";

    function test_gas_of_a_name_and_what_it_points_to() public {
        Registry registry = new Registry(address(this));
        ContentResolver resolver = new ContentResolver(registry);
        vm.snapshotValue(GROUP, "bytes of ContentResolver", address(resolver).code.length);
        bytes32 blog = registry.setSubnodeOwner(0, keccak256("blog"), address(this));
        vm.snapshotGasLastCall(GROUP, "setSubnodeOwner");
        resolver.setContenthash(blog, CONTENT);
        vm.snapshotGasLastCall(GROUP, "setContenthash, first of a name");
        registry.register(blog, address(resolver));
        vm.snapshotGasLastCall(GROUP, "register");
        resolver.setContenthash(blog, OTHER);
        vm.snapshotGasLastCall(GROUP, "setContenthash, a change");
        resolver.setContenthash(blog, "");
        vm.snapshotGasLastCall(GROUP, "setContenthash, removed");
    }
}
