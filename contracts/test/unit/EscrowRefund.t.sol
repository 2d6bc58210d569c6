// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Permit} from "../../src/interfaces/EscrowTypes.sol";
import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {EscrowTest} from "../support/EscrowTest.sol";

/// @notice `refund`: what a provider gives back, and to whom alone.
contract EscrowRefundTest is EscrowTest {
    bytes32 private constant OTHER_LANE = keccak256("other lane");
    uint256 private constant CHARGED = 60 * uint256(PRICE);

    function setUp() public override {
        super.setUp();
        depositAndAllow();
        settle(permitOf(60), 60, PRICE);
    }

    function test_a_refund_moves_earnings_to_the_payers_free_balance() public {
        vm.expectEmit(address(escrow));
        emit IEscrow.Refunded(provider, payer.addr, LANE, 2500);
        refund(2500);
        assertEq(free(), 2500);
        assertEq(earned(), CHARGED - 2500);
        assertEq(paid(LANE), CHARGED - 2500);
    }

    function test_a_refund_moves_neither_the_lane_nor_the_allowance() public {
        bytes memory held = abi.encode(allowance());
        refund(CHARGED);
        assertEq(consumed(LANE), 60);
        assertEq(abi.encode(allowance()), held);
        // The permit's next credit is the 61st, and what was refunded is not charged again.
        assertEq(settle(permitOf(60), 60, PRICE), 0);
        assertEq(settle(permitOf(61), 61, PRICE), PRICE);
        assertEq(paid(LANE), PRICE);
    }

    function test_all_that_was_charged_on_a_lane_may_go_back_and_no_more() public {
        settle(otherLane(), 10, PRICE);
        vm.startPrank(provider);
        expectTooHigh(CHARGED, CHARGED + 1);
        escrow.refund(payer.addr, LANE, CHARGED + 1);
        escrow.refund(payer.addr, LANE, CHARGED - 1);
        expectTooHigh(1, 2);
        escrow.refund(payer.addr, LANE, 2);
        escrow.refund(payer.addr, LANE, 1);
        expectTooHigh(0, 1);
        escrow.refund(payer.addr, LANE, 1);
        assertEq(paid(OTHER_LANE), 10 * PRICE);
        assertEq(earned(), 10 * PRICE);
    }

    function test_paid_is_what_was_charged_and_not_what_was_allowed() public {
        settle(permitOf(70), 70, PRICE - 7);
        assertEq(paid(LANE), CHARGED + 10 * (PRICE - 7));
    }

    function test_nobody_gets_a_refund_who_did_not_pay_on_the_lane() public {
        vm.startPrank(provider);
        expectTooHigh(0, 1);
        escrow.refund(thief, LANE, 1);
        expectTooHigh(0, 1);
        escrow.refund(provider, LANE, 1);
        expectTooHigh(0, 1);
        escrow.refund(payer.addr, OTHER_LANE, 1);
    }

    function test_an_operator_never_refunds() public {
        address[3] memory callers = [operator, payer.addr, thief];
        for (uint256 i = 0; i < callers.length; ++i) {
            vm.prank(callers[i]);
            expectTooHigh(0, 1);
            escrow.refund(payer.addr, LANE, 1);
        }
    }

    function test_collected_earnings_are_out_of_reach() public {
        vm.startPrank(provider);
        escrow.collect(provider);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.InsufficientEarnings.selector, 0, 1));
        escrow.refund(payer.addr, LANE, 1);
        vm.stopPrank();
        // Earnings of any lane do: the provider owes them to itself.
        settle(otherLane(), 10, PRICE);
        vm.startPrank(provider);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEscrow.InsufficientEarnings.selector, 10 * PRICE, 10 * PRICE + 1
            )
        );
        escrow.refund(payer.addr, LANE, 10 * PRICE + 1);
        escrow.refund(payer.addr, LANE, 10 * PRICE);
        assertEq(earned(), 0);
    }

    function test_an_amount_beyond_128_bits_is_too_high_and_never_cut_short() public {
        vm.startPrank(provider);
        expectTooHigh(CHARGED, 1 << 128);
        escrow.refund(payer.addr, LANE, 1 << 128);
        expectTooHigh(CHARGED, type(uint256).max);
        escrow.refund(payer.addr, LANE, type(uint256).max);
    }

    function test_a_refund_of_nothing_changes_nothing() public {
        refund(0);
        assertEq(free(), 0);
        assertEq(earned(), CHARGED);
        assertEq(paid(LANE), CHARGED);
    }

    function test_a_refund_reaches_a_payer_that_has_left() public {
        revoke(CREDITS);
        skip(THAWING_PERIOD);
        reclaim();
        uint256 had = free();
        refund(CHARGED);
        assertEq(free(), had + CHARGED);
    }

    function test_a_collector_does_not_stop_refunds() public {
        vm.prank(provider);
        escrow.setCollector(makeAddr("treasury"));
        refund(CHARGED);
        assertEq(free(), CHARGED);
    }

    function test_paid_is_counted_per_payer_provider_and_lane() public view {
        assertEq(paid(LANE), CHARGED);
        assertEq(escrow.paid(payer.addr, thief, LANE), 0);
        assertEq(escrow.paid(thief, provider, LANE), 0);
        assertEq(paid(OTHER_LANE), 0);
    }

    /// @dev 2^128 - 1 base units on one lane: the sum stands still, charges go on.
    function test_a_sum_that_is_full_stops_no_charge() public {
        uint128 half = 1 << 127;
        mint(payer.addr, 3 * uint256(half));
        revoke(CREDITS);
        skip(THAWING_PERIOD);
        reclaim();
        for (uint128 credit = 61; credit < 64; ++credit) {
            deposit(half);
            allow(half, 1, address(0));
            assertEq(settle(signed(unsigned(LANE, half, credit), payer), credit, half), half);
            assertEq(paid(LANE), credit == 61 ? CHARGED + half : type(uint128).max);
            vm.prank(provider);
            escrow.collect(provider);
        }
        assertEq(consumed(LANE), 63);
    }

    /* STEPS */

    function refund(uint256 amount) private {
        vm.prank(provider);
        escrow.refund(payer.addr, LANE, amount);
    }

    function paid(bytes32 lane) private view returns (uint256) {
        return escrow.paid(payer.addr, provider, lane);
    }

    function otherLane() private view returns (Permit memory) {
        return signed(unsigned(OTHER_LANE, PRICE, 10), payer);
    }

    function expectTooHigh(uint256 most, uint256 asked) private {
        vm.expectRevert(abi.encodeWithSelector(IEscrow.RefundTooHigh.selector, most, asked));
    }
}
