// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title The ENS registry's interface (EIP-137)
interface IENSRegistry {
    /// @notice The owner of `node` gave `keccak256(node, label)` to `owner`.
    event NewOwner(bytes32 indexed node, bytes32 indexed label, address owner);
    /// @notice `node` has another owner.
    event Transfer(bytes32 indexed node, address owner);
    /// @notice `node` has another resolver.
    event NewResolver(bytes32 indexed node, address resolver);
    /// @notice `node` has another time to live.
    event NewTTL(bytes32 indexed node, uint64 ttl);
    /// @notice `owner` lets `operator` act on all of its nodes, or stops it.
    event ApprovalForAll(address indexed owner, address indexed operator, bool approved);

    /// @notice `setOwner`, `setResolver` and `setTTL` in one.
    function setRecord(bytes32 node, address owner, address resolver, uint64 ttl) external;

    /// @notice `setSubnodeOwner`, and resolver and time to live of the subnode.
    function setSubnodeRecord(
        bytes32 node,
        bytes32 label,
        address owner,
        address resolver,
        uint64 ttl
    ) external;

    /// @notice Gives `keccak256(node, label)` to `owner`, whoever had it. By the owner of `node`.
    /// @return subnode The node that was given.
    function setSubnodeOwner(bytes32 node, bytes32 label, address owner)
        external
        returns (bytes32 subnode);

    /// @notice Sets the resolver of `node`.
    function setResolver(bytes32 node, address resolver) external;

    /// @notice Gives `node` to `owner`.
    function setOwner(bytes32 node, address owner) external;

    /// @notice Sets how many seconds answers about `node` may be kept.
    function setTTL(bytes32 node, uint64 ttl) external;

    /// @notice Lets `operator` act on all nodes of the caller, or stops it.
    function setApprovalForAll(address operator, bool approved) external;

    /// @notice The owner of `node`; zero if it has none.
    function owner(bytes32 node) external view returns (address);

    /// @notice The resolver of `node`; zero if it has none.
    function resolver(bytes32 node) external view returns (address);

    /// @notice Seconds for which answers about `node` may be kept.
    function ttl(bytes32 node) external view returns (uint64);

    /// @notice Whether `node` has an owner.
    function recordExists(bytes32 node) external view returns (bool);

    /// @notice Whether `operator` may act on all nodes of `owner`.
    function isApprovedForAll(address owner, address operator) external view returns (bool);
}

/// @title Registry
/// @notice Names for chains without ENS. Every node belongs to the root owner at first, whom the
/// constructor names, and who hands subtrees out; the owner of a node may reassign what is under
/// it, as in ENS.
/// The root owner may open unowned nodes to claims. A node is a hash and does not tell its parent,
/// so a claim can't be checked against the parent's owner: who claims a node holds it only until an
/// owner above hands it out, which `setSubnodeOwner` does whoever has it. Open claims are for
/// chains where names are worth nothing. The owner of a parent needs none: `setSubnodeRecord`.
interface IRegistry is IENSRegistry {
    /// @notice The caller may not act on this node.
    error NotAuthorised(bytes32 node, address caller);

    /// @notice The root owner permitted claims of unowned nodes, or ended it.
    event OpenClaimsSet(bool open);

    /// @notice Points `node` to `resolver`. By its owner or the owner's operator; or by anyone who
    /// thereby claims it, if it has no owner and claims are open.
    function register(bytes32 node, address resolver) external;

    /// @notice Permits claims of unowned nodes, or ends it; nodes claimed before stay. By the root
    /// owner.
    function setOpenClaims(bool open) external;

    /// @notice Whether unowned nodes may be claimed.
    function openClaims() external view returns (bool);
}
