// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @notice A lane's counter and what was charged on it and not refunded, in one word: a charge
/// reads and writes one slot.
type Lane is uint256;

using Lanes for Lane global;

/// @title Lanes
/// @notice How a lane is packed.
library Lanes {
    /// @notice A lane on which `consumed_` credits were ever charged, and `paid_` token base units
    /// and not refunded.
    function pack(uint128 consumed_, uint128 paid_) internal pure returns (Lane) {
        return Lane.wrap(uint256(paid_) << 128 | consumed_);
    }

    /// @notice Credits ever charged.
    function consumed(Lane lane) internal pure returns (uint128) {
        // Safe: the lower half is what is wanted.
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint128(Lane.unwrap(lane));
    }

    /// @notice Token base units charged and not refunded.
    function paid(Lane lane) internal pure returns (uint128) {
        return uint128(Lane.unwrap(lane) >> 128);
    }
}
