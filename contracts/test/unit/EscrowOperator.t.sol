// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Charge, Permit} from "../../src/interfaces/EscrowTypes.sol";
import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {EscrowTest} from "../support/EscrowTest.sol";

/// @notice `setOperator`: until when an operator settles, and how much in a day of UTC.
contract EscrowOperatorTest is EscrowTest {
    bytes32 private constant OTHER_LANE = keccak256("other lane");
    uint48 private constant FOREVER = type(uint48).max;
    uint88 private constant CAP = 10 * uint88(PRICE);

    address private _second = makeAddr("second provider");

    function setUp() public override {
        super.setUp();
        // The first second of a day of UTC.
        vm.warp(20_833 days);
        depositAndAllow();
    }

    /* EXPIRY */

    function test_an_operator_settles_until_its_expiry() public {
        uint48 expiry = uint48(block.timestamp) + 1 hours;
        vm.expectEmit(address(escrow));
        emit IEscrow.OperatorSet(provider, operator, expiry, 0);
        name(operator, expiry, 0);
        vm.warp(expiry - 1);
        assertTrue(escrow.isOperator(provider, operator));
        consume(PRICE, permitOf(9));
        settle(permitOf(9), 2, PRICE);
        vm.warp(expiry);
        assertFalse(escrow.isOperator(provider, operator));
        expectNotOperator();
        consume(PRICE, permitOf(9));
        expectNotOperator();
        settle(permitOf(9), 3, PRICE);
    }

    function test_an_expired_operator_is_named_again() public {
        name(operator, uint48(block.timestamp) + 1, 0);
        skip(1);
        name(operator, uint48(block.timestamp) + 1, 0);
        consume(PRICE, permitOf(9));
    }

    function test_an_expiry_that_has_passed_is_refused() public {
        uint48[3] memory passed = [uint48(block.timestamp), uint48(block.timestamp) - 1, 1];
        vm.startPrank(provider);
        for (uint256 i = 0; i < passed.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IEscrow.ExpiryPassed.selector, passed[i]));
            escrow.setOperator(operator, passed[i], 0);
        }
        escrow.setOperator(operator, uint48(block.timestamp) + 1, 0);
    }

    function test_expiry_zero_dismisses_at_once() public {
        name(operator, 0, CAP);
        assertFalse(escrow.isOperator(provider, operator));
        expectNotOperator();
        consume(PRICE, permitOf(9));
    }

    function test_whoever_was_never_named_is_no_operator_and_a_provider_always_is() public view {
        assertFalse(escrow.isOperator(provider, thief));
        assertFalse(escrow.isOperator(_second, operator));
        assertTrue(escrow.isOperator(provider, provider));
        assertTrue(escrow.isOperator(thief, thief));
    }

    function test_the_limits_read_as_they_were_set() public {
        assertLimits(operator, FOREVER, 0, 0);
        assertLimits(thief, 0, 0, 0);
        name(operator, FOREVER - 1, type(uint88).max);
        assertLimits(operator, FOREVER - 1, type(uint88).max, 0);
    }

    /* CAP */

    function test_a_row_that_fills_the_cap_is_charged_and_one_beyond_it_skipped() public {
        name(operator, FOREVER, CAP);
        expectCapReached(11);
        assertEq(settle(permitOf(50), 11, PRICE), 0);
        assertEq(settle(permitOf(50), 10, PRICE), CAP);
        assertLimits(operator, FOREVER, CAP, CAP);
        expectCapReached(11);
        assertEq(settle(permitOf(50), 11, 1), 0);
    }

    function test_a_row_beyond_the_cap_does_not_stop_one_that_fits() public {
        name(operator, FOREVER, CAP);
        Charge[] memory charges = new Charge[](3);
        charges[0] = Charge(permitOf(50), 6, PRICE);
        charges[1] = Charge(signed(unsigned(OTHER_LANE, PRICE, 5), payer), 5, PRICE);
        charges[2] = Charge(permitOf(50), 10, PRICE);
        vm.expectEmit(address(escrow));
        emit IEscrow.ChargeSkipped(
            payer.addr, provider, OTHER_LANE, 5, IEscrow.DailyCapReached.selector
        );
        assertEq(settle(charges), CAP);
        assertLimits(operator, FOREVER, CAP, CAP);
    }

    function test_a_single_charge_beyond_the_cap_reverts_by_name() public {
        name(operator, FOREVER, uint88(PRICE));
        consume(PRICE, permitOf(9));
        vm.expectRevert(IEscrow.DailyCapReached.selector);
        consume(PRICE, permitOf(9));
        vm.expectRevert(IEscrow.DailyCapReached.selector);
        consume(1, permitOf(9));
        assertEq(consumed(LANE), 1);
    }

    /// @dev A stolen key can always settle what is unsettled at price zero; it gains nobody.
    function test_a_row_at_price_zero_fits_any_cap() public {
        name(operator, FOREVER, CAP);
        settle(permitOf(50), 10, PRICE);
        assertEq(settle(permitOf(50), 11, 0), 0);
        assertEq(consumed(LANE), 11);
        assertLimits(operator, FOREVER, CAP, CAP);
    }

    /// @dev From the first second of a day to its last, three days in a row.
    function test_the_cap_is_for_a_day_of_utc() public {
        name(operator, FOREVER, CAP);
        for (uint128 count = 0; count < 30; count += 10) {
            assertLimits(operator, FOREVER, CAP, 0);
            assertEq(settle(longLived(50), count + 4, PRICE), 4 * PRICE);
            skip(1 days - 1);
            assertLimits(operator, FOREVER, CAP, 4 * uint88(PRICE));
            assertEq(settle(longLived(50), count + 10, PRICE), 6 * PRICE);
            assertLimits(operator, FOREVER, CAP, CAP);
            expectCapReached(count + 11);
            settle(longLived(50), count + 11, PRICE);
            skip(1);
        }
    }

    function test_days_without_a_settlement_do_not_add_up() public {
        name(operator, FOREVER, CAP);
        settle(permitOf(50), 1, PRICE);
        skip(10 days);
        expectCapReached(12);
        assertEq(settle(longLived(50), 12, PRICE), 0);
        assertEq(settle(longLived(50), 11, PRICE), CAP);
    }

    function test_the_provider_itself_has_no_cap() public {
        name(operator, FOREVER, CAP);
        settle(permitOf(50), 10, PRICE);
        name(provider, FOREVER, 1);
        vm.prank(provider);
        assertEq(escrow.consume(rows(permitOf(50), 50, PRICE)), 40 * PRICE);
        vm.prank(provider);
        escrow.consume(PRICE, permitOf(51));
        assertLimits(operator, FOREVER, CAP, CAP);
        assertLimits(provider, FOREVER, 1, 0);
    }

    function test_a_cap_of_zero_is_none_and_counts_nothing() public {
        settle(permitOf(60), 60, PRICE);
        assertLimits(operator, FOREVER, 0, 0);
        // What was settled without a cap does not count when there is one.
        name(operator, FOREVER, CAP);
        assertEq(settle(permitOf(70), 70, PRICE), CAP);
    }

    function test_another_cap_on_the_same_day_counts_what_was_settled() public {
        name(operator, FOREVER, CAP);
        settle(permitOf(50), 6, PRICE);
        name(operator, FOREVER, 5 * uint88(PRICE));
        assertLimits(operator, FOREVER, 5 * uint88(PRICE), 6 * uint88(PRICE));
        expectCapReached(7);
        settle(permitOf(50), 7, 1);
        name(operator, FOREVER, 7 * uint88(PRICE));
        expectCapReached(8);
        settle(permitOf(50), 8, PRICE);
        assertEq(settle(permitOf(50), 7, PRICE), PRICE);
        name(operator, 0, 0);
        name(operator, FOREVER, CAP);
        assertEq(settle(permitOf(50), 10, PRICE), 3 * PRICE);
        expectCapReached(11);
        settle(permitOf(50), 11, PRICE);
    }

    function test_every_operator_of_a_provider_has_a_cap_of_its_own() public {
        address spare = makeAddr("spare operator");
        name(operator, FOREVER, CAP);
        name(spare, FOREVER, CAP);
        settle(permitOf(50), 10, PRICE);
        vm.prank(spare);
        assertEq(escrow.consume(rows(permitOf(50), 20, PRICE)), CAP);
        assertLimits(spare, FOREVER, CAP, CAP);
    }

    /// @dev Rows of two providers alternate: what the first tab took counts in the third.
    function test_a_batch_counts_each_providers_cap_over_all_of_its_rows() public {
        name(operator, FOREVER, CAP);
        vm.prank(_second);
        escrow.setOperator(operator, FOREVER, 3 * uint88(PRICE));
        deposit(5 * PRICE);
        vm.prank(payer.addr);
        escrow.allow(_second, PRICE, 5);
        Charge[] memory charges = new Charge[](5);
        charges[0] = Charge(permitOf(50), 6, PRICE);
        charges[1] = Charge(permitForSecond(), 2, PRICE);
        charges[2] = Charge(permitOf(50), 11, PRICE);
        charges[3] = Charge(permitForSecond(), 4, PRICE);
        charges[4] = Charge(permitOf(50), 10, PRICE);
        expectCapReached(11);
        vm.expectEmit(address(escrow));
        emit IEscrow.ChargeSkipped(payer.addr, _second, LANE, 4, IEscrow.DailyCapReached.selector);
        assertEq(settle(charges), 12 * PRICE);
        assertEq(earned(), CAP);
        assertEq(escrow.earned(_second), 2 * PRICE);
    }

    function test_the_largest_cap_is_counted_without_loss() public {
        uint128 price = type(uint88).max;
        mint(payer.addr, CREDITS * uint256(price));
        deposit(CREDITS * uint256(price));
        allow(price, CREDITS, address(0));
        name(operator, FOREVER, uint88(price));
        assertEq(settle(permitAt(price, 1), 1, price), price);
        assertLimits(operator, FOREVER, uint88(price), uint88(price));
        expectCapReached(2);
        settle(permitAt(price, 2), 2, 1);
    }

    function test_an_operator_names_no_operator_and_no_collector_for_its_provider() public {
        vm.startPrank(operator);
        escrow.setOperator(thief, FOREVER, 0);
        escrow.setCollector(thief);
        vm.stopPrank();
        assertFalse(escrow.isOperator(provider, thief));
        (address collector,,) = escrow.collectorOf(provider);
        assertEq(collector, address(0));
    }

    /* STEPS */

    function name(address who, uint48 expiry, uint88 cap) private {
        vm.prank(provider);
        escrow.setOperator(who, expiry, cap);
    }

    function longLived(uint128 credits) private view returns (Permit memory) {
        return permitOf(credits, 0);
    }

    function permitAt(uint128 price, uint128 credits) private view returns (Permit memory) {
        return signed(unsigned(LANE, price, credits), payer);
    }

    function permitForSecond() private view returns (Permit memory permit) {
        permit = unsigned(LANE, PRICE, 9);
        permit.provider = _second;
        return signed(permit, payer);
    }

    function expectNotOperator() private {
        vm.expectRevert(abi.encodeWithSelector(IEscrow.NotOperator.selector, provider, operator));
    }

    function expectCapReached(uint256 credits) private {
        vm.expectEmit(address(escrow));
        emit IEscrow.ChargeSkipped(
            payer.addr, provider, LANE, credits, IEscrow.DailyCapReached.selector
        );
    }

    function assertLimits(address who, uint48 expiry, uint88 cap, uint88 spent) private view {
        (uint48 expiry_, uint88 cap_, uint88 spent_) = escrow.operatorLimits(provider, who);
        assertEq(expiry_, expiry, "expiry");
        assertEq(cap_, cap, "daily cap");
        assertEq(spent_, spent, "spent");
    }
}
