// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title Address of a name (EIP-137)
interface IAddrResolver {
    /// @notice The address of `node` changed.
    event AddrChanged(bytes32 indexed node, address a);

    /// @notice The address that `node` stands for.
    function addr(bytes32 node) external view returns (address payable);
}

/// @title Address of a name on any chain (ENSIP-9, ENSIP-11)
interface IAddressResolver {
    /// @notice The address of `node` on a chain changed.
    event AddressChanged(bytes32 indexed node, uint256 coinType, bytes newAddress);

    /// @notice The address of `node` on the chain `coinType`, in its binary form; empty if unknown.
    function addr(bytes32 node, uint256 coinType) external view returns (bytes memory);
}

/// @title Text records (ENSIP-5)
interface ITextResolver {
    /// @notice A text record changed.
    event TextChanged(bytes32 indexed node, string indexed indexedKey, string key, string value);

    /// @notice The text under `key`; empty if there is none.
    function text(bytes32 node, string calldata key) external view returns (string memory);
}

/// @title ProviderResolver
/// @notice What one provider says about itself, as an ENS resolver. It holds one record, so every
/// name that points here gets the same answers: `node` is ignored, and zero in the events of
/// setters that take none.
///
/// Text keys: `url` is the web domain and `khachapuri.age` the public key; everything else is free.
/// Clients read `khachapuri.price` (USDC base units per credit), `khachapuri.terms` (hash of the
/// terms, also under `terms`) and `khachapuri.escrow` (CAIP-10).
interface IProviderResolver is IAddrResolver, IAddressResolver, ITextResolver {
    /// @notice The zero address can't be paid.
    error InvalidAddress();

    /// @notice The provider's address: whom to allow, and who collects.
    function getAddress() external view returns (address);

    /// @notice The provider's web address; calls go to `{domain}/{cid}`.
    function getWebDomain() external view returns (string memory);

    /// @notice The age recipient to which specs are encrypted.
    function getPublicKey() external view returns (string memory);

    /// @notice Sets the provider's address; owner only.
    function setAddress(address provider) external;

    /// @notice Sets the web domain; owner only.
    function setWebDomain(string calldata domain) external;

    /// @notice Sets the public key; owner only. Specs for the old one stay readable to its holder.
    function setPublicKey(string calldata publicKey) external;

    /// @notice Sets a text in the form that ENS applications use; owner only. `url` and
    /// `khachapuri.age` set the web domain and the public key. Several at once: `multicall`.
    function setText(bytes32 node, string calldata key, string calldata value) external;
}
