// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Authorization} from "../interfaces/EscrowTypes.sol";

/// @title Messages
/// @notice EIP-712 struct hashes of what a payer signs for somebody else to send.
library Messages {
    bytes32 internal constant REVOKE_TYPEHASH = keccak256(
        "Revoke(address payer,address provider,uint128 credits,"
        "uint256 feeMax,uint256 nonce,uint64 deadline)"
    );
    bytes32 internal constant BUMP_EPOCH_TYPEHASH = keccak256(
        "BumpEpoch(address payer,address provider,uint256 feeMax,uint256 nonce,uint64 deadline)"
    );
    bytes32 internal constant RECLAIM_TYPEHASH = keccak256(
        "Reclaim(address payer,address provider,uint256 feeMax,uint256 nonce,uint64 deadline)"
    );
    bytes32 internal constant WITHDRAW_TYPEHASH = keccak256(
        "Withdraw(address payer,uint256 amount,address to,"
        "uint256 feeMax,uint256 nonce,uint64 deadline)"
    );

    function revokeHash(address payer, address provider, uint128 credits, Authorization calldata by)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(
            abi.encode(REVOKE_TYPEHASH, payer, provider, credits, by.feeMax, by.nonce, by.deadline)
        );
    }

    function bumpEpochHash(address payer, address provider, Authorization calldata by)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(
            abi.encode(BUMP_EPOCH_TYPEHASH, payer, provider, by.feeMax, by.nonce, by.deadline)
        );
    }

    function reclaimHash(address payer, address provider, Authorization calldata by)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(
            abi.encode(RECLAIM_TYPEHASH, payer, provider, by.feeMax, by.nonce, by.deadline)
        );
    }

    function withdrawHash(address payer, uint256 amount, address to, Authorization calldata by)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(
            abi.encode(WITHDRAW_TYPEHASH, payer, amount, to, by.feeMax, by.nonce, by.deadline)
        );
    }
}
