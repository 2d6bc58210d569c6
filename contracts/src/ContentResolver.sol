// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IContentHashResolver, IContentResolver} from "./interfaces/IContentResolver.sol";
import {IENSRegistry} from "./interfaces/IRegistry.sol";
import {ERC165} from "@openzeppelin/contracts/utils/introspection/ERC165.sol";

/// @title ContentResolver
contract ContentResolver is IContentResolver, ERC165 {
    /* STORAGE */

    /// @inheritdoc IContentResolver
    IENSRegistry public immutable registry;
    /// @inheritdoc IContentHashResolver
    mapping(bytes32 node => bytes) public contenthash;

    /// @param registry_ Says who owns a node.
    constructor(IENSRegistry registry_) {
        registry = registry_;
    }

    /* ENS */

    /// @notice ERC-165.
    function supportsInterface(bytes4 interfaceId) public view override returns (bool) {
        return interfaceId == type(IContentHashResolver).interfaceId
            || super.supportsInterface(interfaceId);
    }

    /* OWNER */

    /// @inheritdoc IContentResolver
    function setContenthash(bytes32 node, bytes calldata hash) external {
        if (!_isAuthorised(node)) revert NotAuthorised(node, msg.sender);
        contenthash[node] = hash;
        emit ContenthashChanged(node, hash);
    }

    /* INTERNAL */

    function _isAuthorised(bytes32 node) private view returns (bool) {
        address owner = registry.owner(node);
        return owner == msg.sender || registry.isApprovedForAll(owner, msg.sender);
    }
}
