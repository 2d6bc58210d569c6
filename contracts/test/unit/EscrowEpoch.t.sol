// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Allowance, Permit} from "../../src/interfaces/EscrowTypes.sol";
import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {EscrowTest} from "../support/EscrowTest.sol";
import {stdError} from "forge-std/StdError.sol";

/// @notice `bumpEpoch`: how a payer takes permits back, and what its provider may rely on.
contract EscrowEpochTest is EscrowTest {
    function test_epochs_begin_at_zero() public {
        depositAndAllow();
        assertEpoch(0, 0);
        consume(PRICE, permitOf(1, 0));
        expectWrongEpoch(permitOf(9, 1));
        expectWrongEpoch(permitOf(9, type(uint32).max));
    }

    function test_a_bump_announces_the_next_epoch_and_when_it_comes() public {
        depositAndAllow();
        uint64 end = uint64(block.timestamp) + THAWING_PERIOD;
        vm.expectEmit(address(escrow));
        emit IEscrow.EpochBumped(payer.addr, provider, 1, end);
        bumpEpoch();
        assertEpoch(0, end);
        vm.warp(end - 1);
        assertEpoch(0, end);
        vm.warp(end);
        assertEpoch(1, 0);
    }

    function test_old_permits_count_to_the_last_second_and_new_ones_from_the_first() public {
        depositAndAllow();
        bumpEpoch();
        uint64 end = allowance().epochEnd;
        consume(PRICE, permitOf(9, 0));
        consume(PRICE, permitOf(9, 1));
        expectWrongEpoch(permitOf(9, 2));
        vm.warp(end - 1);
        consume(PRICE, permitOf(9, 0));
        consume(PRICE, permitOf(9, 1));
        expectWrongEpoch(permitOf(9, 2));
        vm.warp(end);
        expectWrongEpoch(permitOf(9, 0));
        consume(PRICE, permitOf(9, 1));
        expectWrongEpoch(permitOf(9, 2));
        assertEq(consumed(LANE), 5, "the lane goes on");
    }

    function test_what_was_served_before_a_bump_is_settled_in_full_until_it_takes_effect() public {
        depositAndAllow();
        Permit memory served = permitOf(CREDITS, 0);
        bumpEpoch();
        revoke(CREDITS);
        skip(THAWING_PERIOD - 1);
        assertEq(settle(served, CREDITS, PRICE), uint256(PRICE) * CREDITS);
    }

    function test_a_second_bump_waits_for_the_first() public {
        bumpEpoch();
        uint64 end = uint64(block.timestamp) + THAWING_PERIOD;
        vm.startPrank(payer.addr);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.EpochPending.selector, end));
        escrow.bumpEpoch(provider);
        vm.warp(end - 1);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.EpochPending.selector, end));
        escrow.bumpEpoch(provider);
        vm.warp(end);
        vm.expectEmit(address(escrow));
        emit IEscrow.EpochBumped(payer.addr, provider, 2, end + THAWING_PERIOD);
        escrow.bumpEpoch(provider);
        vm.stopPrank();
        assertEpoch(1, end + THAWING_PERIOD);
        vm.warp(end + THAWING_PERIOD);
        assertEpoch(2, 0);
    }

    function test_an_epoch_never_comes_back() public {
        depositAndAllow();
        for (uint32 epoch = 1; epoch < 4; ++epoch) {
            bumpEpoch();
            skip(THAWING_PERIOD);
            for (uint32 old = 0; old < epoch; ++old) {
                expectWrongEpoch(permitOf(9, old));
            }
            consume(PRICE, permitOf(9, epoch));
        }
    }

    function test_a_new_allowance_revives_no_permit_of_an_old_epoch() public {
        depositAndAllow();
        bumpEpoch();
        revoke(CREDITS);
        skip(THAWING_PERIOD);
        reclaim();
        allow(PRICE, CREDITS, address(0));
        assertEpoch(1, 0);
        expectWrongEpoch(permitOf(9, 0));
        consume(PRICE, permitOf(9, 1));
    }

    function test_a_bump_changes_nothing_else_and_nothing_else_the_epoch() public {
        deposit(2 * uint256(PRICE) * CREDITS);
        allow(PRICE, CREDITS, signer.addr);
        revoke(40);
        Allowance memory held = allowance();
        bumpEpoch();
        held.epochEnd = uint64(block.timestamp) + THAWING_PERIOD;
        assertEq(abi.encode(allowance()), abi.encode(held));
        allow(PRICE, CREDITS + 1, signer.addr);
        assertEpoch(0, held.epochEnd);
        revoke(CREDITS + 1);
        skip(THAWING_PERIOD);
        reclaim();
        assertEpoch(1, 0);
    }

    function test_a_bump_needs_no_allowance_and_lasts_until_there_is_one() public {
        bumpEpoch();
        skip(THAWING_PERIOD);
        depositAndAllow();
        assertEpoch(1, 0);
        expectWrongEpoch(permitOf(9, 0));
    }

    function test_epochs_are_counted_per_payer_and_provider() public {
        bumpEpoch();
        skip(THAWING_PERIOD);
        assertEq(escrow.allowance(payer.addr, thief).epoch, 0);
        assertEq(escrow.allowance(thief, provider).epoch, 0);
        assertEpoch(1, 0);
    }

    function test_the_zero_address_has_no_epochs() public {
        vm.prank(payer.addr);
        vm.expectRevert(IEscrow.InvalidProvider.selector);
        escrow.bumpEpoch(address(0));
    }

    function test_every_row_of_a_batch_is_held_to_the_epochs_in_force() public {
        depositAndAllow();
        bumpEpoch();
        assertEq(settle(permitOf(9, 0), 1, PRICE), PRICE);
        assertEq(settle(permitOf(9, 1), 2, PRICE), PRICE);
        skip(THAWING_PERIOD);
        assertEq(settle(permitOf(9, 0), 3, PRICE), 0);
        assertEq(settle(permitOf(9, 1), 3, PRICE), PRICE);
    }

    function test_a_repeated_row_is_known_as_such_whatever_its_epoch() public {
        depositAndAllow();
        settle(permitOf(9, 0), 5, PRICE);
        bumpEpoch();
        skip(THAWING_PERIOD);
        vm.expectEmit(address(escrow));
        emit IEscrow.ChargeSkipped(payer.addr, provider, LANE, 5, IEscrow.AlreadyCharged.selector);
        settle(permitOf(9, 0), 5, PRICE);
    }

    function test_the_last_epoch_cannot_be_bumped_over() public {
        putEpoch(escrow, payer.addr, provider, type(uint32).max);
        assertEpoch(type(uint32).max, 0);
        vm.prank(payer.addr);
        vm.expectRevert(stdError.arithmeticError);
        escrow.bumpEpoch(provider);
    }

    function test_an_epoch_is_as_long_as_the_thawing_period() public view {
        assertEq(escrow.THAWING_PERIOD(), THAWING_PERIOD);
    }

    /* STEPS */

    function assertEpoch(uint32 epoch, uint64 end) private view {
        assertEq(allowance().epoch, epoch, "epoch");
        assertEq(allowance().epochEnd, end, "epoch end");
    }

    function expectWrongEpoch(Permit memory permit) private {
        vm.expectRevert(IEscrow.WrongEpoch.selector);
        consume(PRICE, permit);
        uint128 next = uint128(consumed(LANE)) + 1;
        vm.expectEmit(address(escrow));
        emit IEscrow.ChargeSkipped(payer.addr, provider, LANE, next, IEscrow.WrongEpoch.selector);
        settle(permit, next, PRICE);
    }
}
