// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title Accounting
/// @notice The arithmetic of the escrow, without its storage: what is locked, what returns, what
/// still thaws, which epochs count, what an operator may still settle. Proved by
/// `deno task contracts prove`.
library Accounting {
    uint256 internal constant UNCAPPED = type(uint256).max;

    /// @notice What has to be locked so that `credits` at `price` are.
    /// @dev `price >= lockedPrice` and `credits >= lockedCredits`, or it reverts.
    function missing(uint128 price, uint128 credits, uint128 lockedPrice, uint128 lockedCredits)
        internal
        pure
        returns (uint256)
    {
        return uint256(price) * credits - uint256(lockedPrice) * lockedCredits;
    }

    /// @notice What `used` credits had locked beyond what was earned with them: the payer's again.
    /// @dev `used` and `price` are below 2^128 and `earned <= used * price`, or it reverts.
    function returned(uint256 used, uint256 price, uint256 earned) internal pure returns (uint256) {
        return used * price - earned;
    }

    /// @notice What still thaws of `thawing` credits when `credits` are left.
    function thawingOf(uint128 thawing, uint128 credits) internal pure returns (uint128) {
        return thawing < credits ? thawing : credits;
    }

    /// @notice The epoch in force at `time`, and the last one whose permits count then: the next
    /// one while a bump is pending.
    /// @param end When `stored` ends, Unix seconds; zero while it has no end.
    function epochsAt(uint32 stored, uint64 end, uint256 time)
        internal
        pure
        returns (uint32 current, uint32 last)
    {
        if (end == 0) return (stored, stored);
        return time < end ? (stored, stored + 1) : (stored + 1, stored + 1);
    }

    /// @notice What may still be settled within `cap` after `spent`; everything when there is none.
    function roomOf(uint256 cap, uint256 spent) internal pure returns (uint256) {
        if (cap == 0) return UNCAPPED;
        return spent < cap ? cap - spent : 0;
    }

    /// @notice `total + amount`, or the most that fits: a total that is full stops no charge.
    function addUpTo128(uint128 total, uint256 amount) internal pure returns (uint128) {
        uint256 room = type(uint128).max - total;
        if (amount > room) return type(uint128).max;
        // Safe: it is at most `room`.
        // forge-lint: disable-next-line(unsafe-typecast)
        return total + uint128(amount);
    }
}
