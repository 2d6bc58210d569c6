// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Escrow} from "../../src/Escrow.sol";
import {Allowance} from "../../src/interfaces/EscrowTypes.sol";
import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {EscrowTest} from "../support/EscrowTest.sol";

/// @notice Deposits, withdrawals and allowances.
contract EscrowPayerTest is EscrowTest {
    uint256 private constant LOCKED = uint256(PRICE) * CREDITS;

    /* CONSTRUCTOR */

    function test_the_constructor_fixes_token_and_thawing_period() public view {
        assertEq(address(escrow.token()), address(usdc));
        assertEq(escrow.THAWING_PERIOD(), THAWING_PERIOD);
    }

    function test_the_thawing_period_is_an_hour_to_thirty_days() public {
        uint64[4] memory refused = [uint64(0), 1 hours - 1, 30 days + 1, type(uint64).max];
        for (uint256 i = 0; i < refused.length; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(IEscrow.InvalidThawingPeriod.selector, refused[i])
            );
            this.deployWith(refused[i]);
        }
        assertEq(this.deployWith(1 hours).THAWING_PERIOD(), 1 hours);
        assertEq(this.deployWith(30 days).THAWING_PERIOD(), 30 days);
    }

    /// @dev A call of its own: what `vm.expectRevert` looks at whichever way forge deploys.
    function deployWith(uint64 thawingPeriod) external returns (Escrow) {
        return new Escrow(usdc, thawingPeriod);
    }

    /* DEPOSIT AND WITHDRAW */

    function test_deposit_credits_the_caller() public {
        vm.expectEmit(address(escrow));
        emit IEscrow.Deposited(payer.addr, 5e6);
        deposit(5e6);
        assertEq(free(), 5e6);
        assertEq(usdc.balanceOf(address(escrow)), 5e6);
    }

    function test_deposit_without_approval_reverts() public {
        mint(thief, 1e6);
        vm.prank(thief);
        vm.expectRevert("ERC20: transfer amount exceeds allowance");
        escrow.deposit(1e6);
    }

    function test_the_escrow_holds_up_to_2_to_the_128_and_no_more() public {
        uint256 most = type(uint128).max;
        mint(payer.addr, most);
        deposit(most - 5);
        bytes memory full = abi.encodeWithSelector(IEscrow.EscrowFull.selector, most + 1);
        vm.prank(payer.addr);
        vm.expectRevert(full);
        escrow.deposit(6);
        Onboarding memory on = onboarding();
        (on.amount, on.pricePerCredit) = (6, 0);
        bytes memory signature = onboardingSignature(on);
        vm.expectRevert(full);
        onboard(on, signature);
        deposit(5);
        assertEq(free(), most);
        // Payouts and accounting go on.
        vm.prank(payer.addr);
        escrow.withdraw(most, thief);
        assertEq(usdc.balanceOf(thief), most);
    }

    function test_withdraw_sends_free_balance_at_once() public {
        deposit(5e6);
        vm.expectEmit(address(escrow));
        emit IEscrow.Withdrawn(payer.addr, thief, 2e6);
        vm.prank(payer.addr);
        escrow.withdraw(2e6, thief);
        assertEq(free(), 3e6);
        assertEq(usdc.balanceOf(thief), 2e6);
    }

    function test_withdraw_never_touches_locked_funds() public {
        depositAndAllow();
        deposit(7);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.InsufficientBalance.selector, 7, 8));
        vm.prank(payer.addr);
        escrow.withdraw(8, payer.addr);
    }

    function test_withdraw_to_nobody_or_to_the_escrow_reverts() public {
        deposit(1);
        vm.startPrank(payer.addr);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.InvalidRecipient.selector, address(0)));
        escrow.withdraw(1, address(0));
        vm.expectRevert(abi.encodeWithSelector(IEscrow.InvalidRecipient.selector, address(escrow)));
        escrow.withdraw(1, address(escrow));
    }

    function test_a_direct_transfer_credits_nobody() public {
        vm.prank(payer.addr);
        usdc.transfer(address(escrow), 9);
        assertEq(free(), 0);
        deposit(1);
        assertEq(free(), 1);
    }

    /* ALLOW */

    function test_allow_locks_credits_at_their_price() public {
        deposit(LOCKED + 1);
        vm.expectEmit(address(escrow));
        emit IEscrow.Allowed(payer.addr, provider, PRICE, CREDITS, signer.addr);
        allow(PRICE, CREDITS, signer.addr);
        assertEq(free(), 1);
        assertAllowance(PRICE, CREDITS, 0, 0, signer.addr);
    }

    function test_allow_of_three_arguments_means_the_payer_signs() public {
        deposit(LOCKED);
        vm.prank(payer.addr);
        escrow.allow(provider, PRICE, CREDITS);
        assertAllowance(PRICE, CREDITS, 0, 0, address(0));
    }

    function test_allow_naming_the_payer_as_signer_is_the_same_as_naming_none() public {
        deposit(LOCKED);
        allow(PRICE, CREDITS, payer.addr);
        assertAllowance(PRICE, CREDITS, 0, 0, address(0));
        allow(PRICE, CREDITS, address(0));
    }

    function test_any_address_but_the_payers_own_is_pinned() public {
        address[2] memory signers = [address(1), address(type(uint160).max)];
        for (uint256 i = 0; i < signers.length; ++i) {
            uint256 start = vm.snapshotState();
            allow(0, CREDITS, signers[i]);
            assertAllowance(0, CREDITS, 0, 0, signers[i]);
            vm.revertToState(start);
        }
    }

    function test_the_seeds_allowance_is_the_callers() public {
        depositAndAllow();
        vm.prank(provider);
        assertEq(escrow.allowance(payer.addr).credits, CREDITS);
        vm.prank(thief);
        assertEq(escrow.allowance(payer.addr).credits, 0);
    }

    function test_allow_again_locks_nothing_more() public {
        depositAndAllow();
        allow(PRICE, CREDITS, address(0));
        assertEq(free(), 0);
        assertAllowance(PRICE, CREDITS, 0, 0, address(0));
    }

    function test_allow_tops_up_what_was_charged() public {
        depositAndAllow();
        settle(permitOf(30), 30, PRICE);
        deposit(30 * PRICE);
        allow(PRICE, CREDITS, address(0));
        assertEq(free(), 0);
        assertAllowance(PRICE, CREDITS, 0, 0, address(0));
    }

    function test_allow_raises_the_price_of_all_credits() public {
        depositAndAllow();
        deposit(LOCKED);
        allow(2 * PRICE, CREDITS, address(0));
        assertEq(free(), 0);
        assertAllowance(2 * PRICE, CREDITS, 0, 0, address(0));
    }

    function test_allow_refuses_less_while_credits_are_left() public {
        depositAndAllow();
        bytes memory decrease =
            abi.encodeWithSelector(IEscrow.AllowanceDecrease.selector, PRICE, CREDITS);
        vm.startPrank(payer.addr);
        vm.expectRevert(decrease);
        escrow.allow(provider, PRICE - 1, CREDITS);
        vm.expectRevert(decrease);
        escrow.allow(provider, PRICE, CREDITS - 1);
    }

    function test_allow_refuses_another_signer_while_credits_are_left() public {
        depositAndAllow();
        vm.startPrank(payer.addr);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.SignerLocked.selector, address(0)));
        escrow.allow(provider, PRICE, CREDITS, signer.addr);
    }

    function test_allow_of_three_arguments_refuses_to_drop_the_signer() public {
        deposit(LOCKED);
        allow(PRICE, CREDITS, signer.addr);
        vm.startPrank(payer.addr);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.SignerLocked.selector, signer.addr));
        escrow.allow(provider, PRICE, CREDITS);
    }

    function test_allow_is_free_in_its_terms_once_credits_are_used_up() public {
        depositAndAllow();
        settle(permitOf(CREDITS), CREDITS, PRICE);
        deposit(5);
        allow(1, 5, signer.addr);
        assertAllowance(1, 5, 0, 0, signer.addr);
    }

    function test_allow_refuses_no_credits_no_provider_and_no_funds() public {
        vm.startPrank(payer.addr);
        vm.expectRevert(IEscrow.ZeroCredits.selector);
        escrow.allow(provider, PRICE, 0);
        vm.expectRevert(IEscrow.InvalidProvider.selector);
        escrow.allow(address(0), PRICE, 1);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.InsufficientBalance.selector, 0, PRICE));
        escrow.allow(provider, PRICE, 1);
    }

    function test_allow_of_the_largest_numbers_does_not_overflow() public {
        uint128 most = type(uint128).max;
        vm.startPrank(payer.addr);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEscrow.InsufficientBalance.selector, 0, uint256(most) * uint256(most)
            )
        );
        escrow.allow(provider, most, most);
    }

    function test_allow_at_price_zero_locks_nothing() public {
        allow(0, type(uint128).max, address(0));
        assertAllowance(0, type(uint128).max, 0, 0, address(0));
        assertEq(free(), 0);
    }

    /* REVOKE AND RECLAIM */

    function test_revoke_thaws_and_reclaim_returns() public {
        depositAndAllow();
        uint64 thawEnd = uint64(block.timestamp) + THAWING_PERIOD;
        vm.expectEmit(address(escrow));
        emit IEscrow.RevokeStarted(payer.addr, provider, 40, thawEnd);
        revoke(40);
        assertAllowance(PRICE, CREDITS, 40, thawEnd, address(0));
        vm.warp(thawEnd);
        vm.expectEmit(address(escrow));
        emit IEscrow.Reclaimed(payer.addr, provider, 40, 40 * PRICE);
        reclaim();
        assertAllowance(PRICE, CREDITS - 40, 0, 0, address(0));
        assertEq(free(), 40 * PRICE);
    }

    function test_reclaim_a_second_before_the_end_reverts_and_at_the_end_works() public {
        depositAndAllow();
        revoke(CREDITS);
        uint64 thawEnd = allowance().thawEnd;
        vm.warp(thawEnd - 1);
        vm.prank(payer.addr);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.StillThawing.selector, thawEnd));
        escrow.reclaim(provider);
        vm.warp(thawEnd);
        reclaim();
        assertEq(free(), LOCKED);
    }

    function test_reclaim_without_a_revoke_reverts() public {
        depositAndAllow();
        vm.prank(payer.addr);
        vm.expectRevert(IEscrow.NothingThawing.selector);
        escrow.reclaim(provider);
    }

    function test_reclaim_happens_once() public {
        depositAndAllow();
        revoke(CREDITS);
        skip(THAWING_PERIOD);
        reclaim();
        vm.prank(payer.addr);
        vm.expectRevert(IEscrow.NothingThawing.selector);
        escrow.reclaim(provider);
    }

    function test_revoke_of_more_than_is_left_thaws_what_is_left() public {
        depositAndAllow();
        revoke(type(uint128).max);
        assertEq(allowance().thawingCredits, CREDITS);
    }

    function test_revoke_of_nothing_or_from_nothing_reverts() public {
        vm.startPrank(payer.addr);
        vm.expectRevert(IEscrow.ZeroCredits.selector);
        escrow.revoke(provider, 1);
        vm.stopPrank();
        depositAndAllow();
        vm.prank(payer.addr);
        vm.expectRevert(IEscrow.ZeroCredits.selector);
        escrow.revoke(provider, 0);
    }

    function test_a_second_revoke_replaces_the_first_and_starts_its_time_again() public {
        depositAndAllow();
        revoke(10);
        skip(THAWING_PERIOD - 1);
        revoke(20);
        uint64 thawEnd = uint64(block.timestamp) + THAWING_PERIOD;
        assertAllowance(PRICE, CREDITS, 20, thawEnd, address(0));
        skip(1);
        vm.prank(payer.addr);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.StillThawing.selector, thawEnd));
        escrow.reclaim(provider);
    }

    function test_allow_cancels_a_revoke_even_a_thawed_one() public {
        depositAndAllow();
        revoke(CREDITS);
        skip(THAWING_PERIOD);
        allow(PRICE, CREDITS, address(0));
        assertAllowance(PRICE, CREDITS, 0, 0, address(0));
        vm.prank(payer.addr);
        vm.expectRevert(IEscrow.NothingThawing.selector);
        escrow.reclaim(provider);
    }

    function test_thawing_credits_are_charged_last() public {
        depositAndAllow();
        revoke(40);
        settle(permitOf(70), 70, PRICE);
        assertEq(allowance().thawingCredits, 30);
        skip(THAWING_PERIOD);
        reclaim();
        assertEq(free(), 30 * PRICE);
        assertEq(allowance().credits, 0);
    }

    function test_a_thaw_whose_credits_were_all_charged_is_over() public {
        depositAndAllow();
        revoke(CREDITS);
        settle(permitOf(CREDITS), CREDITS, PRICE);
        assertAllowance(PRICE, 0, 0, 0, address(0));
        skip(THAWING_PERIOD);
        vm.prank(payer.addr);
        vm.expectRevert(IEscrow.NothingThawing.selector);
        escrow.reclaim(provider);
    }

    function test_a_thaw_that_was_charged_away_does_not_come_back_with_new_credits() public {
        depositAndAllow();
        revoke(CREDITS);
        settle(permitOf(CREDITS), CREDITS, PRICE);
        depositAndAllow();
        assertAllowance(PRICE, CREDITS, 0, 0, address(0));
    }

    function assertAllowance(
        uint128 price,
        uint128 credits,
        uint128 thawing,
        uint64 thawEnd,
        address pinned
    ) private view {
        Allowance memory held = allowance();
        assertEq(held.pricePerCredit, price, "price");
        assertEq(held.credits, credits, "credits");
        assertEq(held.thawingCredits, thawing, "thawing credits");
        assertEq(held.thawEnd, thawEnd, "thaw end");
        assertEq(held.signer, pinned, "signer");
    }
}
