// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Accounting} from "../../src/libraries/Accounting.sol";

/// @notice What `deno task contracts prove` shows of the escrow's arithmetic for all numbers: each
/// `assert` holds, and nothing overflows, whatever the arguments that meet the `require`s.
contract AccountingProof {
    /* ALLOW */

    /// @dev A better allowance locks the difference, and never reverts.
    function locking(uint128 price, uint128 credits, uint128 lockedPrice, uint128 lockedCredits)
        external
        pure
    {
        require(price >= lockedPrice && credits >= lockedCredits);
        uint256 more = Accounting.missing(price, credits, lockedPrice, lockedCredits);
        assert(more + uint256(lockedPrice) * lockedCredits == uint256(price) * credits);
    }

    function lockingAgain(uint128 price, uint128 credits) external pure {
        assert(Accounting.missing(price, credits, price, credits) == 0);
    }

    /* CHARGE */

    /// @dev Whatever is charged of an allowance: what stays locked, what was earned and what
    /// returns are what was locked.
    function charging(uint128 price, uint128 credits, uint256 used, uint256 earned) external pure {
        require(used <= credits && earned <= used * price);
        uint256 back = Accounting.returned(used, price, earned);
        assert((credits - used) * price + earned + back == uint256(credits) * price);
    }

    /// @dev A row's amount fits what its credits had locked.
    function pricing(uint128 credits, uint128 price, uint128 allowed) external pure {
        require(price <= allowed);
        assert(uint256(credits) * price <= uint256(credits) * allowed);
    }

    /* THAW */

    function thawing(uint128 asked, uint128 credits) external pure {
        uint128 part = Accounting.thawingOf(asked, credits);
        assert(part <= credits && part <= asked);
        assert(part == credits || part == asked);
    }

    /// @dev Fewer credits never thaw more.
    function thawingOn(uint128 asked, uint128 credits, uint128 later) external pure {
        require(later <= credits);
        assert(Accounting.thawingOf(asked, later) <= Accounting.thawingOf(asked, credits));
    }

    /* EPOCHS */

    /// @dev Of one allowance as time goes on: epochs never go back, and never pass the next one.
    function passing(uint32 stored, uint64 end, uint256 time, uint256 later) external pure {
        require(stored < type(uint32).max && time <= later);
        (uint32 current, uint32 last) = Accounting.epochsAt(stored, end, time);
        (uint32 laterCurrent, uint32 laterLast) = Accounting.epochsAt(stored, end, later);
        assert(current <= laterCurrent && last == laterLast);
        assert(current == last || current + 1 == last);
    }

    /// @dev A permit of the stored epoch counts to the last second before `end`, one of the next
    /// epoch for as long as there is an end.
    function ending(uint32 stored, uint64 end, uint256 time) external pure {
        require(stored < type(uint32).max);
        (uint32 current, uint32 last) = Accounting.epochsAt(stored, end, time);
        assert((stored == current || stored == last) == (end == 0 || time < end));
        assert((stored + 1 == current || stored + 1 == last) == (end != 0));
    }

    /* CAPS */

    /// @dev Whoever settles within its room stays within its cap, batch after batch.
    function settling(uint88 cap, uint88 spent, uint256 amount) external pure {
        require(cap != 0 && spent <= cap);
        require(amount <= Accounting.roomOf(cap, spent));
        assert(spent + amount <= cap);
        assert(Accounting.roomOf(cap, spent + amount) == cap - (spent + amount));
    }

    /// @dev Under a cap that was lowered there is no room.
    function loweredCap(uint88 cap, uint88 spent) external pure {
        require(cap != 0 && spent >= cap);
        assert(Accounting.roomOf(cap, spent) == 0);
    }

    function uncapped(uint256 spent) external pure {
        assert(Accounting.roomOf(0, spent) == Accounting.UNCAPPED);
    }
}
