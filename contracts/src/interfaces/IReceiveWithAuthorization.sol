// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title The one call of EIP-3009 that the escrow makes
/// @notice FiatTokenV2_2's form with packed signature bytes: an EOA's r, s, v or what an ERC-1271
/// wallet takes. The token requires `msg.sender == to`, so nobody but the escrow can use one.
interface IReceiveWithAuthorization {
    /// @notice Moves `value` from `from` to the caller.
    /// @param from Who signed.
    /// @param to Must be the caller.
    /// @param value Base units of the token.
    /// @param validAfter Unix seconds; the block must be later.
    /// @param validBefore Unix seconds; the block must be earlier.
    /// @param nonce 32 bytes, used once per `from`.
    /// @param signature Signature of `from` over ReceiveWithAuthorization.
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes memory signature
    ) external;
}
