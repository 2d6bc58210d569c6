// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {
    IAddrResolver,
    IAddressResolver,
    IProviderResolver,
    ITextResolver
} from "./interfaces/IProviderResolver.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {Multicall} from "@openzeppelin/contracts/utils/Multicall.sol";
import {ERC165} from "@openzeppelin/contracts/utils/introspection/ERC165.sol";

/// @title ProviderResolver
contract ProviderResolver is IProviderResolver, ERC165, Ownable2Step, Multicall {
    /* CONSTANTS */

    /// @dev SLIP-44 number of Ethereum; EVM chain c has ENSIP-11's 0x80000000 | c.
    uint256 private constant COIN_TYPE_ETH = 60;
    uint256 private constant COIN_TYPE_EVM = 0x80000000;
    uint256 private constant COIN_TYPE_EVM_MAX = 0xffffffff;

    string private constant KEY_URL = "url";
    string private constant KEY_AGE = "khachapuri.age";
    bytes32 private constant KEY_HASH_URL = keccak256("url");
    bytes32 private constant KEY_HASH_AGE = keccak256("khachapuri.age");
    bytes32 private constant KEY_HASH_TERMS = keccak256("khachapuri.terms");
    bytes32 private constant KEY_HASH_TERMS_ALIAS = keccak256("terms");

    /* STORAGE */

    address private _provider;
    mapping(bytes32 keyHash => string) private _texts;

    /// @param provider Whom payers allow, and who collects.
    /// @param domain Web address of the provider.
    /// @param publicKey age recipient of the provider.
    constructor(address provider, string memory domain, string memory publicKey)
        Ownable(msg.sender)
    {
        _setAddress(provider);
        _setText(0, KEY_URL, domain);
        _setText(0, KEY_AGE, publicKey);
    }

    /* PROVIDER */

    /// @inheritdoc IProviderResolver
    function getAddress() external view returns (address) {
        return _provider;
    }

    /// @inheritdoc IProviderResolver
    function getWebDomain() external view returns (string memory) {
        return _texts[KEY_HASH_URL];
    }

    /// @inheritdoc IProviderResolver
    function getPublicKey() external view returns (string memory) {
        return _texts[KEY_HASH_AGE];
    }

    /* ENS */

    /// @inheritdoc IAddrResolver
    function addr(bytes32) external view returns (address payable) {
        return payable(_provider);
    }

    /// @inheritdoc IAddressResolver
    function addr(bytes32, uint256 coinType) external view returns (bytes memory) {
        bool isEvm = coinType >= COIN_TYPE_EVM && coinType <= COIN_TYPE_EVM_MAX;
        if (coinType != COIN_TYPE_ETH && !isEvm) return "";
        return abi.encodePacked(_provider);
    }

    /// @inheritdoc ITextResolver
    function text(bytes32, string calldata key) external view returns (string memory) {
        return _texts[_keyHash(key)];
    }

    /// @notice ERC-165.
    function supportsInterface(bytes4 interfaceId) public view override returns (bool) {
        return interfaceId == type(IAddrResolver).interfaceId
            || interfaceId == type(IAddressResolver).interfaceId
            || interfaceId == type(ITextResolver).interfaceId
            || interfaceId == type(IProviderResolver).interfaceId
            || super.supportsInterface(interfaceId);
    }

    /* OWNER */

    /// @inheritdoc IProviderResolver
    function setAddress(address provider) external onlyOwner {
        _setAddress(provider);
    }

    /// @inheritdoc IProviderResolver
    function setWebDomain(string calldata domain) external onlyOwner {
        _setText(0, KEY_URL, domain);
    }

    /// @inheritdoc IProviderResolver
    function setPublicKey(string calldata publicKey) external onlyOwner {
        _setText(0, KEY_AGE, publicKey);
    }

    /// @inheritdoc IProviderResolver
    function setText(bytes32 node, string calldata key, string calldata value) external onlyOwner {
        _setText(node, key, value);
    }

    /* INTERNAL */

    function _setAddress(address provider) private {
        if (provider == address(0)) revert InvalidAddress();
        _provider = provider;
        emit AddrChanged(0, provider);
        emit AddressChanged(0, COIN_TYPE_ETH, abi.encodePacked(provider));
    }

    function _setText(bytes32 node, string memory key, string memory value) private {
        _texts[_keyHash(key)] = value;
        emit TextChanged(node, key, key, value);
    }

    function _keyHash(string memory key) private pure returns (bytes32 hash) {
        hash = keccak256(bytes(key));
        if (hash == KEY_HASH_TERMS_ALIAS) return KEY_HASH_TERMS;
    }
}
