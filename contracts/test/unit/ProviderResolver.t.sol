// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ProviderResolver} from "../../src/ProviderResolver.sol";
import {
    IAddrResolver,
    IAddressResolver,
    IProviderResolver,
    ITextResolver
} from "../../src/interfaces/IProviderResolver.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {Test} from "forge-std/Test.sol";

contract ProviderResolverTest is Test {
    bytes32 private constant NODE = keccak256("node");
    string private constant URL = "https://provider.example";
    string private constant AGE = "age1pq1example";

    address private _provider = makeAddr("provider");
    address private _stranger = makeAddr("stranger");
    ProviderResolver private _resolver;

    function setUp() public {
        _resolver = new ProviderResolver(_provider, URL, AGE);
    }

    function test_the_deployer_owns_it_and_the_seeds_getters_answer() public view {
        assertEq(_resolver.owner(), address(this));
        assertEq(_resolver.getAddress(), _provider);
        assertEq(_resolver.getWebDomain(), URL);
        assertEq(_resolver.getPublicKey(), AGE);
    }

    function test_ens_reads_the_same_for_any_node() public view {
        assertEq(_resolver.addr(NODE), _provider);
        assertEq(_resolver.addr(0), _provider);
        assertEq(_resolver.text(NODE, "url"), URL);
        assertEq(_resolver.text(NODE, "khachapuri.age"), AGE);
        assertEq(_resolver.text(NODE, "avatar"), "");
    }

    function test_the_address_is_the_same_on_every_evm_chain_and_none_elsewhere() public view {
        bytes memory packed = abi.encodePacked(_provider);
        assertEq(_resolver.addr(NODE, 60), packed);
        assertEq(_resolver.addr(NODE, 0x80000000), packed);
        assertEq(_resolver.addr(NODE, 0x80000000 | 8453), packed);
        assertEq(_resolver.addr(NODE, 0xffffffff), packed);
        assertEq(_resolver.addr(NODE, 0), "");
        assertEq(_resolver.addr(NODE, 61), "");
        assertEq(_resolver.addr(NODE, 0x7fffffff), "");
        assertEq(_resolver.addr(NODE, 0x100000000), "");
    }

    /// @dev Interface ids as the standards print them.
    function test_supports_interface() public view {
        assertTrue(_resolver.supportsInterface(0x01ffc9a7)); // EIP-165
        assertTrue(_resolver.supportsInterface(0x3b3b57de)); // addr, EIP-137
        assertTrue(_resolver.supportsInterface(0xf1cb7e06)); // addr of a coin, ENSIP-9
        assertTrue(_resolver.supportsInterface(0x59d1d43c)); // text, ENSIP-5
        assertTrue(_resolver.supportsInterface(type(IProviderResolver).interfaceId));
        assertFalse(_resolver.supportsInterface(0xffffffff));
        assertFalse(_resolver.supportsInterface(0x9061b923)); // wildcards, ENSIP-10
        assertFalse(_resolver.supportsInterface(0x00000000));
        assertFalse(_resolver.supportsInterface(0x01ffc9a6));
    }

    function test_the_constructor_tells_indexers_what_it_starts_with() public {
        vm.expectEmit();
        emit IAddrResolver.AddrChanged(0, _provider);
        vm.expectEmit();
        emit IAddressResolver.AddressChanged(0, 60, abi.encodePacked(_provider));
        vm.expectEmit();
        emit ITextResolver.TextChanged(0, "url", "url", URL);
        vm.expectEmit();
        emit ITextResolver.TextChanged(0, "khachapuri.age", "khachapuri.age", AGE);
        new ProviderResolver(_provider, URL, AGE);
    }

    function test_a_provider_without_an_address_is_refused() public {
        vm.expectRevert(IProviderResolver.InvalidAddress.selector);
        this.deployFor(address(0));
        vm.expectRevert(IProviderResolver.InvalidAddress.selector);
        _resolver.setAddress(address(0));
    }

    /// @dev A call of its own: what `vm.expectRevert` looks at whichever way forge deploys.
    function deployFor(address provider) external returns (ProviderResolver) {
        return new ProviderResolver(provider, URL, AGE);
    }

    function test_the_owner_rotates_address_domain_and_key() public {
        _resolver.setAddress(_stranger);
        _resolver.setWebDomain("https://moved.example");
        _resolver.setPublicKey("age1pq1other");
        assertEq(_resolver.getAddress(), _stranger);
        assertEq(_resolver.text(NODE, "url"), "https://moved.example");
        assertEq(_resolver.text(NODE, "khachapuri.age"), "age1pq1other");
    }

    function test_set_text_of_url_and_key_is_the_same_record() public {
        _resolver.setText(NODE, "url", "https://moved.example");
        _resolver.setText(NODE, "khachapuri.age", "age1pq1other");
        assertEq(_resolver.getWebDomain(), "https://moved.example");
        assertEq(_resolver.getPublicKey(), "age1pq1other");
    }

    function test_terms_have_two_keys() public {
        vm.expectEmit(address(_resolver));
        emit ITextResolver.TextChanged(NODE, "khachapuri.terms", "khachapuri.terms", "0x01");
        _resolver.setText(NODE, "khachapuri.terms", "0x01");
        assertEq(_resolver.text(NODE, "terms"), "0x01");
        _resolver.setText(NODE, "terms", "0x02");
        assertEq(_resolver.text(NODE, "khachapuri.terms"), "0x02");
    }

    function test_no_other_key_has_the_terms() public {
        _resolver.setText(NODE, "terms", "0x01");
        for (uint256 i = 0; i < 64; ++i) {
            assertEq(_resolver.text(NODE, string.concat("terms", vm.toString(i))), "");
        }
    }

    function test_many_texts_are_set_at_once() public {
        bytes[] memory calls = new bytes[](2);
        calls[0] = abi.encodeCall(IProviderResolver.setText, (0, "khachapuri.price", "1000"));
        calls[1] = abi.encodeCall(IProviderResolver.setText, (0, "avatar", "ipfs://x"));
        _resolver.multicall(calls);
        assertEq(_resolver.text(NODE, "khachapuri.price"), "1000");
        assertEq(_resolver.text(NODE, "avatar"), "ipfs://x");
        vm.prank(_stranger);
        vm.expectRevert(notOwner());
        _resolver.multicall(calls);
    }

    function test_strangers_set_nothing() public {
        vm.startPrank(_stranger);
        vm.expectRevert(notOwner());
        _resolver.setAddress(_stranger);
        vm.expectRevert(notOwner());
        _resolver.setWebDomain("");
        vm.expectRevert(notOwner());
        _resolver.setPublicKey("");
        vm.expectRevert(notOwner());
        _resolver.setText(0, "a", "b");
        vm.expectRevert(notOwner());
        _resolver.transferOwnership(_stranger);
    }

    function test_ownership_moves_once_the_heir_accepts() public {
        _resolver.transferOwnership(_stranger);
        assertEq(_resolver.owner(), address(this));
        vm.prank(_stranger);
        _resolver.acceptOwnership();
        assertEq(_resolver.owner(), _stranger);
    }

    function testFuzz_texts_keep_every_byte(string calldata key, string calldata value) public {
        _resolver.setText(NODE, key, value);
        assertEq(_resolver.text(NODE, key), value);
    }

    function notOwner() private view returns (bytes memory) {
        return abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, _stranger);
    }
}
