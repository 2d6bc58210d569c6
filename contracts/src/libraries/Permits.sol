// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Permit} from "../interfaces/EscrowTypes.sol";

/// @title Permits
/// @notice EIP-712 struct hash of a permit.
library Permits {
    bytes32 internal constant TYPEHASH = keccak256(
        "Permit(address payer,address provider,bytes32 lane,"
        "uint128 price,uint128 credits,uint64 deadline,uint32 epoch)"
    );

    /// @notice `hashStruct` of EIP-712: the seven fields before `signature` as they stand in the
    /// calldata, which is their encoding.
    /// @dev The caller has read every field narrower than a word, and with it refused one that does
    /// not fit its type.
    function structHash(Permit calldata permit) internal pure returns (bytes32 hash) {
        bytes32 typehash = TYPEHASH;
        assembly ("memory-safe") {
            let message := mload(0x40)
            mstore(message, typehash)
            calldatacopy(add(message, 0x20), permit, 0xe0)
            hash := keccak256(message, 0x100)
        }
    }
}
