// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Registry} from "../../src/Registry.sol";
import {IENSRegistry, IRegistry} from "../../src/interfaces/IRegistry.sol";
import {Test} from "forge-std/Test.sol";

contract RegistryTest is Test {
    bytes32 private constant ROOT = 0;
    bytes32 private constant ETH_LABEL = keccak256("eth");
    bytes32 private constant NAME_LABEL = keccak256("provider");

    address private _root = makeAddr("root owner");
    address private _anna = makeAddr("anna");
    address private _ben = makeAddr("ben");
    address private _resolver = makeAddr("resolver");
    Registry private _registry;

    function setUp() public {
        _registry = new Registry(_root);
    }

    /* THE TREE */

    function test_all_belongs_to_the_named_root_owner_at_first_whoever_deploys() public {
        vm.expectEmit();
        emit IENSRegistry.Transfer(ROOT, _root);
        Registry registry = new Registry(_root);
        assertEq(registry.owner(ROOT), _root);
    }

    function test_nothing_else_has_an_owner_at_first() public view {
        assertTrue(_registry.recordExists(ROOT));
        assertFalse(_registry.recordExists(node(ROOT, ETH_LABEL)));
        assertFalse(_registry.openClaims());
    }

    function test_an_owner_hands_out_what_is_under_it() public {
        vm.expectEmit(address(_registry));
        emit IENSRegistry.NewOwner(ROOT, ETH_LABEL, _anna);
        vm.prank(_root);
        bytes32 eth = _registry.setSubnodeOwner(ROOT, ETH_LABEL, _anna);
        assertEq(eth, node(ROOT, ETH_LABEL));
        vm.prank(_anna);
        bytes32 name = _registry.setSubnodeOwner(eth, NAME_LABEL, _ben);
        assertEq(_registry.owner(name), _ben);
    }

    function test_an_owner_takes_back_what_is_under_it() public {
        bytes32 eth = give(ETH_LABEL, _anna);
        assertEq(_registry.owner(eth), _anna);
        give(ETH_LABEL, _ben);
        assertEq(_registry.owner(eth), _ben);
    }

    function test_set_record_and_set_subnode_record_set_all() public {
        bytes32 eth = give(ETH_LABEL, _anna);
        vm.startPrank(_anna);
        vm.expectEmit(address(_registry));
        emit IENSRegistry.NewOwner(eth, NAME_LABEL, _anna);
        vm.expectEmit(address(_registry));
        emit IENSRegistry.NewResolver(node(eth, NAME_LABEL), _resolver);
        vm.expectEmit(address(_registry));
        emit IENSRegistry.NewTTL(node(eth, NAME_LABEL), 60);
        _registry.setSubnodeRecord(eth, NAME_LABEL, _anna, _resolver, 60);
        assertRecord(node(eth, NAME_LABEL), _anna, _resolver, 60);
        vm.expectEmit(address(_registry));
        emit IENSRegistry.Transfer(eth, _ben);
        _registry.setRecord(eth, _ben, _resolver, 9);
        assertRecord(eth, _ben, _resolver, 9);
    }

    function test_an_unchanged_resolver_gives_no_event() public {
        bytes32 eth = give(ETH_LABEL, _anna);
        vm.startPrank(_anna);
        _registry.setRecord(eth, _anna, _resolver, 9);
        vm.recordLogs();
        _registry.setRecord(eth, _anna, _resolver, 9);
        assertEq(vm.getRecordedLogs().length, 1);
    }

    function test_single_fields_are_set_by_the_owner() public {
        bytes32 eth = give(ETH_LABEL, _anna);
        vm.startPrank(_anna);
        _registry.setResolver(eth, _resolver);
        _registry.setTTL(eth, 5);
        assertRecord(eth, _anna, _resolver, 5);
        _registry.setOwner(eth, _ben);
        assertRecord(eth, _ben, _resolver, 5);
    }

    function test_an_operator_acts_for_the_owner_until_dismissed() public {
        bytes32 eth = give(ETH_LABEL, _anna);
        vm.expectEmit(address(_registry));
        emit IENSRegistry.ApprovalForAll(_anna, _ben, true);
        vm.prank(_anna);
        _registry.setApprovalForAll(_ben, true);
        assertTrue(_registry.isApprovedForAll(_anna, _ben));
        vm.prank(_ben);
        _registry.register(eth, _resolver);
        assertRecord(eth, _anna, _resolver, 0);
        vm.prank(_anna);
        _registry.setApprovalForAll(_ben, false);
        vm.prank(_ben);
        vm.expectRevert(refusal(eth, _ben));
        _registry.setTTL(eth, 1);
    }

    function test_strangers_change_nothing() public {
        bytes32 eth = give(ETH_LABEL, _anna);
        vm.startPrank(_ben);
        bytes memory refused = refusal(eth, _ben);
        vm.expectRevert(refused);
        _registry.setRecord(eth, _ben, _ben, 1);
        vm.expectRevert(refused);
        _registry.setSubnodeRecord(eth, NAME_LABEL, _ben, _ben, 1);
        vm.expectRevert(refused);
        _registry.setSubnodeOwner(eth, NAME_LABEL, _ben);
        vm.expectRevert(refused);
        _registry.setResolver(eth, _ben);
        vm.expectRevert(refused);
        _registry.setOwner(eth, _ben);
        vm.expectRevert(refused);
        _registry.setTTL(eth, 1);
        vm.expectRevert(refused);
        _registry.register(eth, _ben);
        vm.expectRevert(refusal(ROOT, _ben));
        _registry.setOpenClaims(true);
    }

    /* REGISTER */

    function test_the_owner_registers_its_resolver() public {
        bytes32 eth = give(ETH_LABEL, _anna);
        vm.expectEmit(address(_registry));
        emit IENSRegistry.NewResolver(eth, _resolver);
        vm.prank(_anna);
        _registry.register(eth, _resolver);
        assertRecord(eth, _anna, _resolver, 0);
    }

    function test_an_unowned_node_is_claimed_only_while_claims_are_open() public {
        bytes32 name = keccak256("some name");
        vm.prank(_anna);
        vm.expectRevert(refusal(name, _anna));
        _registry.register(name, _resolver);
        openClaims(true);
        vm.expectEmit(address(_registry));
        emit IENSRegistry.Transfer(name, _anna);
        vm.expectEmit(address(_registry));
        emit IENSRegistry.NewResolver(name, _resolver);
        vm.prank(_anna);
        _registry.register(name, _resolver);
        assertRecord(name, _anna, _resolver, 0);
        openClaims(false);
        vm.prank(_ben);
        vm.expectRevert(refusal(keccak256("another"), _ben));
        _registry.register(keccak256("another"), _resolver);
        assertEq(_registry.owner(name), _anna);
    }

    function test_an_owned_node_is_never_claimed() public {
        openClaims(true);
        bytes32 eth = give(ETH_LABEL, _anna);
        vm.prank(_ben);
        vm.expectRevert(refusal(eth, _ben));
        _registry.register(eth, _resolver);
    }

    function test_a_claim_under_somebodys_name_lasts_until_its_owner_hands_it_out() public {
        openClaims(true);
        bytes32 eth = give(ETH_LABEL, _anna);
        bytes32 name = node(eth, NAME_LABEL);
        vm.prank(_ben);
        _registry.register(name, _resolver);
        assertEq(_registry.owner(name), _ben);
        vm.prank(_anna);
        _registry.setSubnodeRecord(eth, NAME_LABEL, _anna, address(0), 0);
        assertRecord(name, _anna, address(0), 0);
    }

    function test_the_root_is_never_claimed_not_even_when_given_up() public {
        openClaims(true);
        vm.prank(_root);
        _registry.setOwner(ROOT, address(0));
        vm.prank(_ben);
        vm.expectRevert(refusal(ROOT, _ben));
        _registry.register(ROOT, _resolver);
    }

    function test_a_released_node_is_open_to_claims_again() public {
        openClaims(true);
        bytes32 eth = give(ETH_LABEL, _anna);
        vm.prank(_anna);
        _registry.setOwner(eth, address(0));
        vm.prank(_ben);
        _registry.register(eth, _resolver);
        assertEq(_registry.owner(eth), _ben);
    }

    /* STEPS */

    function node(bytes32 parent, bytes32 label) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(parent, label));
    }

    function give(bytes32 label, address to) private returns (bytes32) {
        vm.prank(_root);
        return _registry.setSubnodeOwner(ROOT, label, to);
    }

    function openClaims(bool open) private {
        vm.expectEmit(address(_registry));
        emit IRegistry.OpenClaimsSet(open);
        vm.prank(_root);
        _registry.setOpenClaims(open);
        assertEq(_registry.openClaims(), open);
    }

    function refusal(bytes32 which, address caller) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IRegistry.NotAuthorised.selector, which, caller);
    }

    function assertRecord(bytes32 which, address owner, address resolver, uint64 ttl) private view {
        assertEq(_registry.owner(which), owner);
        assertEq(_registry.resolver(which), resolver);
        assertEq(_registry.ttl(which), ttl);
    }
}
