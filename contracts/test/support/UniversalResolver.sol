// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

interface IRegistryResolver {
    function resolver(bytes32 node) external view returns (address);
}

/// @notice The part of ENS's Universal Resolver that ENS libraries call, over any ENSRegistry.
/// @dev For tests on local chains. Resolves exact names only: no wildcards (ENSIP-10), no gateways.
contract UniversalResolver {
    IRegistryResolver public immutable registry;

    error ResolverNotFound(bytes name);
    error ResolverNotContract(bytes name, address resolver);
    error ResolverError(bytes errorData);
    error UnsupportedResolverProfile(bytes4 selector);

    constructor(IRegistryResolver registry_) {
        registry = registry_;
    }

    /// @notice Answers one resolver call for a DNS-encoded name.
    function resolveWithGateways(bytes calldata name, bytes calldata data, string[] calldata)
        external
        view
        returns (bytes memory, address)
    {
        (address resolver,, uint256 offset) = findResolver(name);
        if (resolver == address(0) || offset != 0) revert ResolverNotFound(name);
        if (resolver.code.length == 0) revert ResolverNotContract(name, resolver);
        (bool ok, bytes memory result) = resolver.staticcall(data);
        if (!ok) revert ResolverError(result);
        if (result.length == 0) revert UnsupportedResolverProfile(bytes4(data));
        return (result, resolver);
    }

    /// @notice The resolver of a DNS-encoded name or of its nearest ancestor that has one.
    /// @return resolver zero when there is none
    /// @return node the namehash of the whole name
    /// @return offset where in the name the part that has the resolver begins
    function findResolver(bytes calldata name)
        public
        view
        returns (address resolver, bytes32 node, uint256 offset)
    {
        node = namehash(name, 0);
        while (name[offset] != 0) {
            resolver = registry.resolver(namehash(name, offset));
            if (resolver != address(0)) return (resolver, node, offset);
            offset += 1 + uint8(name[offset]);
        }
    }

    /// @dev EIP-137's recursion, over the DNS encoding (RFC 1035 section 3.1).
    function namehash(bytes calldata name, uint256 offset) private pure returns (bytes32) {
        uint256 length = uint8(name[offset]);
        if (length == 0) return bytes32(0);
        uint256 end = offset + 1 + length;
        return keccak256(abi.encode(namehash(name, end), keccak256(name[offset + 1:end])));
    }
}
