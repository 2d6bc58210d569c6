// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ContentResolver} from "../../src/ContentResolver.sol";
import {Registry} from "../../src/Registry.sol";
import {IContentHashResolver, IContentResolver} from "../../src/interfaces/IContentResolver.sol";
import {IENSRegistry} from "../../src/interfaces/IRegistry.sol";
import {Test} from "forge-std/Test.sol";

contract ContentResolverTest is Test {
    bytes32 private constant ROOT = 0;
    bytes32 private constant BLOG_LABEL = keccak256("blog");
    bytes32 private constant SHOP_LABEL = keccak256("shop");
    // EIP-1577's example.
    bytes private constant CONTENT =
        hex"e3010170122029f2d17be6139079dc48696d1f582a8530eb9805b561eda517e22a892c7e3f1f";
    bytes private constant OTHER =
        hex"e30101551220aaaaaaaabbbbbbbbccccccccddddddddeeeeeeeeffffffff0000000011111111";

    address private _anna = makeAddr("anna");
    address private _ben = makeAddr("ben");
    Registry private _registry;
    ContentResolver private _resolver;
    bytes32 private _blog;

    function setUp() public {
        _registry = new Registry(address(this));
        _resolver = new ContentResolver(_registry);
        _blog = give(BLOG_LABEL, _anna);
    }

    function test_it_goes_by_the_registry_that_it_was_made_for() public view {
        assertEq(address(_resolver.registry()), address(_registry));
    }

    function test_a_name_points_nowhere_at_first() public view {
        assertEq(_resolver.contenthash(_blog), "");
    }

    function test_the_owner_points_its_name_and_indexers_hear_of_it() public {
        vm.expectEmit(address(_resolver));
        emit IContentHashResolver.ContenthashChanged(_blog, CONTENT);
        set(_anna, _blog, CONTENT);
        assertEq(_resolver.contenthash(_blog), CONTENT);
        set(_anna, _blog, OTHER);
        assertEq(_resolver.contenthash(_blog), OTHER);
    }

    function test_empty_points_it_nowhere_again() public {
        set(_anna, _blog, CONTENT);
        vm.expectEmit(address(_resolver));
        emit IContentHashResolver.ContenthashChanged(_blog, "");
        set(_anna, _blog, "");
        assertEq(_resolver.contenthash(_blog), "");
    }

    function test_names_are_apart() public {
        bytes32 shop = give(SHOP_LABEL, _ben);
        set(_anna, _blog, CONTENT);
        set(_ben, shop, OTHER);
        assertEq(_resolver.contenthash(_blog), CONTENT);
        assertEq(_resolver.contenthash(shop), OTHER);
        refuses(_anna, shop);
        refuses(_ben, _blog);
    }

    function test_who_owns_a_name_above_has_to_take_it_first() public {
        refuses(address(this), _blog);
        give(BLOG_LABEL, address(this));
        set(address(this), _blog, CONTENT);
        assertEq(_resolver.contenthash(_blog), CONTENT);
    }

    function test_a_name_that_changes_hands_is_its_new_owners_alone() public {
        set(_anna, _blog, CONTENT);
        vm.prank(_anna);
        _registry.setOwner(_blog, _ben);
        assertEq(_resolver.contenthash(_blog), CONTENT);
        refuses(_anna, _blog);
        set(_ben, _blog, OTHER);
        assertEq(_resolver.contenthash(_blog), OTHER);
    }

    function test_an_operator_acts_for_the_owner_until_dismissed() public {
        approve(_anna, _ben, true);
        set(_ben, _blog, CONTENT);
        assertEq(_resolver.contenthash(_blog), CONTENT);
        approve(_anna, _ben, false);
        refuses(_ben, _blog);
    }

    function test_an_operator_is_only_its_own_owners() public {
        bytes32 shop = give(SHOP_LABEL, makeAddr("carla"));
        approve(_anna, _ben, true);
        refuses(_ben, shop);
        approve(_ben, _anna, true);
        refuses(_anna, shop);
    }

    function test_a_name_without_an_owner_is_nobodys() public {
        refuses(_anna, keccak256("nobody's"));
        give(BLOG_LABEL, address(0));
        refuses(_anna, _blog);
        refuses(address(this), _blog);
    }

    /// @dev Interface ids as the standards print them.
    function test_supports_interface() public view {
        assertTrue(_resolver.supportsInterface(0x01ffc9a7)); // EIP-165
        assertTrue(_resolver.supportsInterface(0xbc1c58d1)); // contenthash, ENSIP-7
        assertFalse(_resolver.supportsInterface(0xffffffff));
        assertFalse(_resolver.supportsInterface(0x3b3b57de)); // addr, EIP-137
        assertFalse(_resolver.supportsInterface(0x9061b923)); // wildcards, ENSIP-10
        assertFalse(_resolver.supportsInterface(0x00000000));
    }

    function testFuzz_a_record_keeps_every_byte(bytes calldata hash, bytes calldata next) public {
        set(_anna, _blog, hash);
        assertEq(_resolver.contenthash(_blog), hash);
        set(_anna, _blog, next);
        assertEq(_resolver.contenthash(_blog), next);
    }

    function testFuzz_strangers_set_nothing(address stranger, bytes32 node) public {
        vm.assume(stranger != _registry.owner(node));
        refuses(stranger, node);
    }

    /* STEPS */

    function give(bytes32 label, address to) private returns (bytes32) {
        return _registry.setSubnodeOwner(ROOT, label, to);
    }

    function approve(address owner, address operator, bool approved) private {
        vm.prank(owner);
        _registry.setApprovalForAll(operator, approved);
    }

    function set(address caller, bytes32 node, bytes memory hash) private {
        vm.prank(caller);
        _resolver.setContenthash(node, hash);
    }

    /// @dev And what stood there still stands there.
    function refuses(address caller, bytes32 node) private {
        bytes memory before = _resolver.contenthash(node);
        vm.expectRevert(
            abi.encodeWithSelector(IContentResolver.NotAuthorised.selector, node, caller)
        );
        set(caller, node, "something else");
        assertEq(_resolver.contenthash(node), before);
    }
}
