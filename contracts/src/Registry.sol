// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IENSRegistry, IRegistry} from "./interfaces/IRegistry.sol";

/// @title Registry
contract Registry is IRegistry {
    struct Record {
        address owner;
        address resolver;
        uint64 ttl;
    }

    /* CONSTANTS */

    bytes32 private constant ROOT = 0;

    /* STORAGE */

    /// @inheritdoc IRegistry
    bool public openClaims;
    /// @inheritdoc IENSRegistry
    mapping(address owner => mapping(address operator => bool)) public isApprovedForAll;
    mapping(bytes32 node => Record) private _records;

    /// @param rootOwner To whom all belongs at first.
    constructor(address rootOwner) {
        _setOwner(ROOT, rootOwner);
    }

    modifier authorised(bytes32 node) {
        if (!_isAuthorised(node)) revert NotAuthorised(node, msg.sender);
        _;
    }

    /* REGISTRATION */

    /// @inheritdoc IRegistry
    function register(bytes32 node, address resolver_) external {
        // The root is never claimed, not even after its owner gave it up: it rules over all.
        bool isClaim = openClaims && node != ROOT && _records[node].owner == address(0);
        if (isClaim) _setOwner(node, msg.sender);
        else if (!_isAuthorised(node)) revert NotAuthorised(node, msg.sender);
        _setResolver(node, resolver_);
    }

    /// @inheritdoc IRegistry
    function setOpenClaims(bool open) external authorised(ROOT) {
        openClaims = open;
        emit OpenClaimsSet(open);
    }

    /* ENS */

    /// @inheritdoc IENSRegistry
    function setRecord(bytes32 node, address owner_, address resolver_, uint64 ttl_)
        external
        authorised(node)
    {
        _setOwner(node, owner_);
        _setResolverAndTTL(node, resolver_, ttl_);
    }

    /// @inheritdoc IENSRegistry
    function setSubnodeRecord(
        bytes32 node,
        bytes32 label,
        address owner_,
        address resolver_,
        uint64 ttl_
    ) external {
        bytes32 subnode = setSubnodeOwner(node, label, owner_);
        _setResolverAndTTL(subnode, resolver_, ttl_);
    }

    /// @inheritdoc IENSRegistry
    function setSubnodeOwner(bytes32 node, bytes32 label, address owner_)
        public
        authorised(node)
        returns (bytes32 subnode)
    {
        subnode = keccak256(abi.encodePacked(node, label));
        _records[subnode].owner = owner_;
        emit NewOwner(node, label, owner_);
    }

    /// @inheritdoc IENSRegistry
    function setOwner(bytes32 node, address owner_) external authorised(node) {
        _setOwner(node, owner_);
    }

    /// @inheritdoc IENSRegistry
    function setResolver(bytes32 node, address resolver_) external authorised(node) {
        _setResolver(node, resolver_);
    }

    /// @inheritdoc IENSRegistry
    function setTTL(bytes32 node, uint64 ttl_) external authorised(node) {
        _setTTL(node, ttl_);
    }

    /// @inheritdoc IENSRegistry
    function setApprovalForAll(address operator, bool approved) external {
        isApprovedForAll[msg.sender][operator] = approved;
        emit ApprovalForAll(msg.sender, operator, approved);
    }

    /// @inheritdoc IENSRegistry
    function owner(bytes32 node) external view returns (address) {
        return _records[node].owner;
    }

    /// @inheritdoc IENSRegistry
    function resolver(bytes32 node) external view returns (address) {
        return _records[node].resolver;
    }

    /// @inheritdoc IENSRegistry
    function ttl(bytes32 node) external view returns (uint64) {
        return _records[node].ttl;
    }

    /// @inheritdoc IENSRegistry
    function recordExists(bytes32 node) external view returns (bool) {
        return _records[node].owner != address(0);
    }

    /* INTERNAL */

    function _isAuthorised(bytes32 node) private view returns (bool) {
        address owner_ = _records[node].owner;
        return owner_ == msg.sender || isApprovedForAll[owner_][msg.sender];
    }

    function _setOwner(bytes32 node, address owner_) private {
        _records[node].owner = owner_;
        emit Transfer(node, owner_);
    }

    function _setResolver(bytes32 node, address resolver_) private {
        _records[node].resolver = resolver_;
        emit NewResolver(node, resolver_);
    }

    function _setTTL(bytes32 node, uint64 ttl_) private {
        _records[node].ttl = ttl_;
        emit NewTTL(node, ttl_);
    }

    /// @dev As in ENS, only what changes gives an event.
    function _setResolverAndTTL(bytes32 node, address resolver_, uint64 ttl_) private {
        if (resolver_ != _records[node].resolver) _setResolver(node, resolver_);
        if (ttl_ != _records[node].ttl) _setTTL(node, ttl_);
    }
}
