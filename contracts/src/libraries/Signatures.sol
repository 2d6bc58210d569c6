// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @title Signatures
/// @notice Whose signature it is.
library Signatures {
    /// @notice Whether `signature` is the ECDSA signature of `signer` over `digest`: 65 bytes, low
    /// s, v 27 or 28. Never ERC-1271, whose verdict its contract can change after the service, and
    /// never routed by code length, which an EIP-7702 delegation can change.
    function isBy(bytes calldata signature, address signer, bytes32 digest)
        internal
        pure
        returns (bool)
    {
        (address recovered, ECDSA.RecoverError failure,) =
            ECDSA.tryRecoverCalldata(digest, signature);
        return failure == ECDSA.RecoverError.NoError && recovered == signer;
    }
}
