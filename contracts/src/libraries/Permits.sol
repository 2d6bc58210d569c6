// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Permit} from "../interfaces/IEscrow.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @title Permits
/// @notice EIP-712 struct hash of a permit, and who signed it.
library Permits {
    bytes32 internal constant TYPEHASH = keccak256(
        "Permit(address payer,address provider,bytes32 lane,"
        "uint128 price,uint128 credits,uint64 deadline)"
    );

    /// @notice `hashStruct` of EIP-712.
    function structHash(Permit calldata permit) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                TYPEHASH,
                permit.payer,
                permit.provider,
                permit.lane,
                permit.price,
                permit.credits,
                permit.deadline
            )
        );
    }

    /// @notice Whether `signature` is the ECDSA signature of `signer` over `digest`: 65 bytes, low
    /// s, v 27 or 28. Never ERC-1271, whose verdict its contract can change after the service, and
    /// never routed by code length, which an EIP-7702 delegation can change.
    function isSignedBy(address signer, bytes32 digest, bytes calldata signature)
        internal
        pure
        returns (bool)
    {
        (address recovered, ECDSA.RecoverError failure,) =
            ECDSA.tryRecoverCalldata(digest, signature);
        return failure == ECDSA.RecoverError.NoError && recovered == signer;
    }
}
