// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Charge, Permit} from "../../src/interfaces/EscrowTypes.sol";
import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {EscrowTest} from "../support/EscrowTest.sol";
import {VmSafe} from "forge-std/Vm.sol";

/// @notice `consume(Charge[])`: settlement of many lanes, payers and providers.
contract EscrowBatchTest is EscrowTest {
    bytes32 private constant OTHER_LANE = keccak256("other lane");

    function test_an_empty_batch_charges_nothing() public {
        assertEq(settle(new Charge[](0)), 0);
    }

    function test_a_row_charges_up_to_its_cumulative_count() public {
        depositAndAllow();
        vm.expectEmit(address(escrow));
        emit IEscrow.Charged(payer.addr, provider, LANE, 30, 30, PRICE);
        assertEq(settle(permitOf(50), 30, PRICE), 30 * PRICE);
        vm.expectEmit(address(escrow));
        emit IEscrow.Charged(payer.addr, provider, LANE, 5, 35, PRICE - 1);
        assertEq(settle(permitOf(50), 35, PRICE - 1), 5 * (PRICE - 1));
        assertEq(consumed(LANE), 35);
        assertEq(earned(), 30 * PRICE + 5 * (PRICE - 1));
        assertEq(free(), 5);
        assertEq(allowance().credits, CREDITS - 35);
    }

    function test_the_same_batch_twice_charges_once_and_says_so() public {
        depositAndAllow();
        Charge[] memory charges = rows(permitOf(50), 30, PRICE);
        settle(charges);
        // Even after the deadline: then it is known as done, not as late.
        skip(2 days);
        vm.expectEmit(address(escrow));
        emit IEscrow.ChargeSkipped(payer.addr, provider, LANE, 30, IEscrow.AlreadyCharged.selector);
        assertEq(settle(charges), 0);
        assertEq(consumed(LANE), 30);
        assertEq(earned(), 30 * PRICE);
    }

    function test_a_row_that_stands_twice_in_a_batch_is_charged_once() public {
        depositAndAllow();
        Charge[] memory charges = new Charge[](3);
        charges[0] = Charge(permitOf(50), 30, PRICE);
        charges[1] = Charge(permitOf(50), 30, PRICE);
        charges[2] = Charge(permitOf(50), 31, PRICE);
        assertEq(settle(charges), 31 * PRICE);
        assertEq(allowance().credits, CREDITS - 31);
    }

    function test_a_row_of_zero_credits_charges_nothing() public {
        depositAndAllow();
        assertEq(settle(permitOf(50), 0, PRICE), 0);
    }

    function test_a_row_beyond_its_permit_is_skipped() public {
        depositAndAllow();
        expectSkip(LANE, 51, IEscrow.PermitExceeded.selector);
        settle(permitOf(50), 51, PRICE);
    }

    function test_a_bad_row_does_not_stop_the_others() public {
        depositAndAllow();
        Charge[] memory charges = new Charge[](4);
        charges[0] = Charge(permitOf(10), 10, PRICE);
        charges[1] = Charge(signed(unsigned(OTHER_LANE, PRICE, 10), signer), 10, PRICE);
        charges[2] = Charge(signed(unsigned(OTHER_LANE, PRICE, 200), payer), 200, PRICE);
        charges[3] = Charge(signed(unsigned(OTHER_LANE, PRICE, 5), payer), 5, PRICE);
        expectSkip(OTHER_LANE, 10, IEscrow.InvalidSignature.selector);
        expectSkip(OTHER_LANE, 200, IEscrow.InsufficientCredits.selector);
        assertEq(settle(charges), 15 * PRICE);
        assertEq(consumed(OTHER_LANE), 5);
    }

    function test_rows_share_the_allowance_in_their_order() public {
        depositAndAllow();
        Charge[] memory charges = new Charge[](3);
        charges[0] = Charge(permitOf(60), 60, PRICE);
        charges[1] = Charge(signed(unsigned(OTHER_LANE, PRICE, 60), payer), 60, PRICE);
        charges[2] = Charge(signed(unsigned(OTHER_LANE, PRICE, 60), payer), 40, PRICE);
        expectSkip(OTHER_LANE, 60, IEscrow.InsufficientCredits.selector);
        assertEq(settle(charges), uint256(CREDITS) * PRICE);
        assertEq(allowance().credits, 0);
    }

    function test_rows_of_payers_may_alternate() public {
        depositAndAllow();
        VmSafe.Wallet memory other = vm.createWallet("other payer");
        fundAndAllow(other, provider);
        Charge[] memory charges = new Charge[](4);
        charges[0] = Charge(permitOf(9), 1, PRICE);
        charges[1] = Charge(permitFor(other, provider, 9), 2, PRICE);
        charges[2] = Charge(permitOf(9), 4, PRICE - 1);
        charges[3] = Charge(permitFor(other, provider, 9), 5, PRICE);
        assertEq(settle(charges), 9 * PRICE - 3);
        assertEq(allowance().credits, CREDITS - 4);
        assertEq(free(), 3);
        assertEq(escrow.allowance(other.addr, provider).credits, CREDITS - 5);
        assertEq(escrow.consumed(other.addr, provider, LANE), 5);
        assertEq(earned(), 9 * PRICE - 3);
    }

    function test_an_operator_of_two_providers_settles_both_in_one_batch() public {
        address second = makeAddr("second provider");
        vm.prank(second);
        escrow.setOperator(operator, type(uint48).max, 0);
        depositAndAllow();
        fundAndAllow(payer, second);
        Charge[] memory charges = new Charge[](2);
        charges[0] = Charge(permitOf(9), 1, PRICE);
        charges[1] = Charge(permitFor(payer, second, 9), 2, PRICE);
        assertEq(settle(charges), 3 * PRICE);
        assertEq(earned(), PRICE);
        assertEq(escrow.earned(second), 2 * PRICE);
    }

    function test_a_row_of_a_foreign_provider_reverts_the_batch() public {
        depositAndAllow();
        Charge[] memory charges = new Charge[](2);
        charges[0] = Charge(permitOf(9), 1, PRICE);
        charges[1] = Charge(permitFor(payer, thief, 9), 1, PRICE);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.NotOperator.selector, thief, operator));
        settle(charges);
        vm.prank(thief);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.NotOperator.selector, provider, thief));
        escrow.consume(charges);
    }

    function test_the_zero_address_has_no_operators() public {
        Permit memory permit = unsigned(LANE, PRICE, 1);
        permit.provider = address(0);
        permit.payer = address(0);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.NotOperator.selector, address(0), operator));
        settle(permit, 1, PRICE);
    }

    function test_both_forms_of_consume_share_the_counter() public {
        depositAndAllow();
        Permit memory permit = permitOf(3);
        consume(PRICE, permit);
        assertEq(settle(permit, 2, PRICE), PRICE);
        consume(PRICE, permit);
        expectSkip(LANE, 3, IEscrow.AlreadyCharged.selector);
        settle(permit, 3, PRICE);
        assertEq(earned(), 3 * PRICE);
    }

    function test_a_lane_can_reach_the_largest_count() public {
        uint128 most = type(uint128).max;
        allow(0, most, address(0));
        Permit memory permit = signed(unsigned(LANE, 0, most), payer);
        settle(permit, most, 0);
        assertEq(consumed(LANE), most);
        allow(0, most, address(0));
        vm.expectRevert(IEscrow.PermitExceeded.selector);
        consume(0, permit);
    }

    /* COLLECT AND OPERATORS */

    function test_collect_pays_the_provider_out() public {
        depositAndAllow();
        settle(permitOf(10), 10, PRICE);
        address treasury = makeAddr("treasury");
        vm.expectEmit(address(escrow));
        emit IEscrow.Collected(provider, treasury, 10 * PRICE);
        vm.prank(provider);
        escrow.collect(treasury);
        assertEq(usdc.balanceOf(treasury), 10 * PRICE);
        assertEq(earned(), 0);
    }

    function test_an_operator_settles_and_never_collects() public {
        depositAndAllow();
        settle(permitOf(10), 10, PRICE);
        vm.prank(operator);
        escrow.collect(operator);
        assertEq(usdc.balanceOf(operator), 0);
        assertEq(earned(), 10 * PRICE);
    }

    function test_collect_to_nobody_or_to_the_escrow_reverts() public {
        vm.startPrank(provider);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.InvalidRecipient.selector, address(0)));
        escrow.collect(address(0));
        vm.expectRevert(abi.encodeWithSelector(IEscrow.InvalidRecipient.selector, address(escrow)));
        escrow.collect(address(escrow));
    }

    function test_a_dismissed_operator_settles_no_more() public {
        depositAndAllow();
        vm.expectEmit(address(escrow));
        emit IEscrow.OperatorSet(provider, operator, 0, 0);
        vm.prank(provider);
        escrow.setOperator(operator, 0, 0);
        assertFalse(escrow.isOperator(provider, operator));
        vm.expectRevert(abi.encodeWithSelector(IEscrow.NotOperator.selector, provider, operator));
        settle(permitOf(10), 10, PRICE);
    }

    /* STEPS */

    function expectSkip(bytes32 lane, uint256 credits, bytes4 reason) private {
        vm.expectEmit(address(escrow));
        emit IEscrow.ChargeSkipped(payer.addr, provider, lane, credits, reason);
    }

    function fundAndAllow(VmSafe.Wallet memory wallet, address to) private {
        uint256 amount = uint256(PRICE) * CREDITS;
        mint(wallet.addr, amount);
        vm.startPrank(wallet.addr);
        usdc.approve(address(escrow), amount);
        escrow.deposit(amount);
        escrow.allow(to, PRICE, CREDITS);
        vm.stopPrank();
    }

    function permitFor(VmSafe.Wallet memory wallet, address to, uint128 credits)
        private
        view
        returns (Permit memory permit)
    {
        permit = unsigned(LANE, PRICE, credits);
        permit.payer = wallet.addr;
        permit.provider = to;
        return signed(permit, wallet);
    }
}
