// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Escrow} from "../../src/Escrow.sol";
import {Permit} from "../../src/interfaces/EscrowTypes.sol";
import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {HostileToken} from "../support/HostileToken.sol";
import {Kind, Message, RelayTest} from "../support/RelayTest.sol";

/// @notice The limits of refunds, operators, epochs, messages and transfers, over all numbers.
contract EscrowLimitsFuzzTest is RelayTest {
    function testFuzz_refunds_of_a_lane_come_to_what_was_charged_at_most(
        uint128 charged,
        uint256 first,
        uint256 second
    ) public {
        depositAndAllow();
        charged = uint128(bound(charged, 0, CREDITS));
        settle(permitOf(charged), charged, PRICE);
        uint256 left = uint256(charged) * PRICE;
        uint256[2] memory amounts = [bound(first, 0, left + 1), bound(second, 0, left + 1)];
        for (uint256 i = 0; i < amounts.length; ++i) {
            vm.prank(provider);
            if (amounts[i] > left) {
                vm.expectRevert(
                    abi.encodeWithSelector(IEscrow.RefundTooHigh.selector, left, amounts[i])
                );
            }
            escrow.refund(payer.addr, LANE, amounts[i]);
            if (amounts[i] <= left) left -= amounts[i];
        }
        assertEq(escrow.paid(payer.addr, provider, LANE), left);
        assertEq(earned(), left);
        assertEq(free() + left, uint256(charged) * PRICE);
    }

    /// @dev However rows are cut and days pass: never more than the cap in one day, and all of what
    /// fits.
    function testFuzz_a_cap_holds_in_every_day(
        uint88 cap,
        uint8[8] calldata credits,
        uint32[8] calldata pauses
    ) public {
        depositAndAllow();
        cap = uint88(bound(cap, 1, uint256(PRICE) * 50));
        vm.prank(provider);
        escrow.setOperator(operator, type(uint48).max, cap);
        Permit memory permit = permitOf(CREDITS, 0);
        uint256 spent = 0;
        for (uint256 i = 0; i < credits.length; ++i) {
            uint256 day = block.timestamp / 1 days;
            skip(pauses[i] % 1 days);
            if (block.timestamp / 1 days != day) spent = 0;
            uint256 more = bound(credits[i], 0, 20);
            uint256 count = consumed(LANE) + more;
            bool fits = count <= CREDITS && spent + more * PRICE <= cap;
            uint256 amount = settle(permit, uint128(count), PRICE);
            assertEq(amount, fits ? more * PRICE : 0);
            spent += amount;
            (,, uint88 counted) = escrow.operatorLimits(provider, operator);
            assertEq(counted, spent);
        }
    }

    function testFuzz_a_permit_counts_in_its_epoch_to_the_second(uint64 waited, uint32 epoch)
        public
    {
        depositAndAllow();
        bumpEpoch();
        waited = waited % (2 * THAWING_PERIOD);
        skip(waited);
        bool isOver = waited >= THAWING_PERIOD;
        epoch = epoch % 3;
        Permit memory permit = permitOf(1, epoch);
        if (epoch == 2 || (epoch == 0 && isOver)) vm.expectRevert(IEscrow.WrongEpoch.selector);
        consume(PRICE, permit);
    }

    function testFuzz_a_message_costs_the_fee_and_never_more_than_was_signed(
        uint256 feeMax,
        uint256 fee,
        uint256 amount
    ) public {
        deposit(FUNDS);
        Message memory message = messageOf(Kind.Withdraw);
        (message.amount, message.by.feeMax) = (bound(amount, 0, FUNDS), feeMax);
        message = signed(message, payer);
        bool isTooHigh = fee > feeMax;
        bool isCovered = fee <= FUNDS && message.amount <= FUNDS - fee;
        if (isTooHigh) vm.expectPartialRevert(IEscrow.FeeTooHigh.selector);
        else if (!isCovered) vm.expectPartialRevert(IEscrow.InsufficientBalance.selector);
        relay(message, fee, relayer);
        if (isTooHigh || !isCovered) return;
        assertEq(free(), FUNDS - fee - message.amount);
        assertEq(escrow.balanceOf(relayer), fee);
        assertEq(usdc.balanceOf(payer.addr), message.amount);
    }

    /// @dev Whatever an upgrade adds or takes on either side, only the exact amount goes through.
    function testFuzz_a_transfer_is_exact_or_fails(int64 atSender, int64 atRecipient) public {
        HostileToken token = new HostileToken();
        escrow = new Escrow(token, THAWING_PERIOD);
        token.mint(payer.addr, 1 << 70);
        vm.startPrank(payer.addr);
        token.approve(address(escrow), type(uint256).max);
        escrow.deposit(1 << 66);
        token.skew(atSender, 0);
        if (atSender != 0) vm.expectPartialRevert(IEscrow.PayoutMismatch.selector);
        escrow.withdraw(1 << 65, payer.addr);
        token.skew(0, atRecipient);
        if (atRecipient != 0) vm.expectPartialRevert(IEscrow.PayoutMismatch.selector);
        escrow.withdraw(1 << 65, payer.addr);
        if (atRecipient != 0) vm.expectPartialRevert(IEscrow.DepositMismatch.selector);
        escrow.deposit(1 << 65);
        vm.stopPrank();
        token.skew(0, 0);
        assertEq(token.balanceOf(address(escrow)), free());
    }
}
