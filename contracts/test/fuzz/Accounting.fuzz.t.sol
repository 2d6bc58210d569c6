// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Accounting} from "../../src/libraries/Accounting.sol";
import {Lane, Lanes} from "../../src/libraries/Lanes.sol";
import {Test} from "forge-std/Test.sol";

/// @notice What `test/proofs` leaves: numbers that are cut to 128 bits, which the solver does not
/// get through.
contract AccountingFuzzTest is Test {
    function testFuzz_a_total_is_exact_up_to_the_largest_and_stands_still_there(
        uint128 total,
        uint256 amount
    ) public pure {
        uint256 most = type(uint128).max;
        bool fits = amount <= most - total;
        assertEq(Accounting.addUpTo128(total, amount), fits ? total + amount : most);
        amount = amount % (most - total + 1);
        assertEq(Accounting.addUpTo128(total, amount), total + amount);
        assertEq(Accounting.addUpTo128(total, most - total), most);
        assertEq(Accounting.addUpTo128(total, most - total + 1), most);
    }

    function testFuzz_a_lane_keeps_both_of_its_halves(uint128 consumed, uint128 paid) public pure {
        Lane lane = Lanes.pack(consumed, paid);
        assertEq(lane.consumed(), consumed);
        assertEq(lane.paid(), paid);
    }
}
