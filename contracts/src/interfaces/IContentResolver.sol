// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IENSRegistry} from "./IRegistry.sol";

/// @title Content of a name (ENSIP-7)
interface IContentHashResolver {
    /// @notice `node` points to other content; `hash` is empty when it points nowhere any more.
    event ContenthashChanged(bytes32 indexed node, bytes hash);

    /// @notice What `node` points to, a multicodec and an address of its protocol; empty if there
    /// is none.
    function contenthash(bytes32 node) external view returns (bytes memory);
}

/// @title ContentResolver
/// @notice What the names of one registry point to, for whoever wants no more of a resolver than
/// that. Anybody may deploy it and nobody owns it: the owner of a name in the registry says what
/// its name points to, from the block in which it owns it and no longer. As with ENS's public
/// resolver the record of a name stays when the name gets another owner, until that one changes it.
interface IContentResolver is IContentHashResolver {
    /// @notice The caller may not act on this node: it neither owns it nor is its owner's operator.
    error NotAuthorised(bytes32 node, address caller);

    /// @notice Points `node` to `hash`, empty for nowhere. By its owner in the registry, or whom
    /// the owner lets act on all of its nodes there.
    function setContenthash(bytes32 node, bytes calldata hash) external;

    /// @notice The registry that says who owns a node.
    function registry() external view returns (IENSRegistry);
}
