// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Allowance, Charge, Permit} from "../../src/interfaces/EscrowTypes.sol";
import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {EscrowTest} from "../support/EscrowTest.sol";

/// @notice What a payer, a relayer or an operator might try.
contract EscrowAttackTest is EscrowTest {
    bytes4 private constant CONSUME_BATCH = bytes4(
        keccak256(
            "consume(((address,address,bytes32,uint128,uint128,uint64,uint32,bytes),uint128,uint128)[])"
        )
    );

    /* PAYER: VOID WHAT WAS SERVED */

    function test_a_payer_that_revokes_right_after_the_service_still_pays() public {
        depositAndAllow();
        Permit memory served = permitOf(CREDITS);
        revoke(CREDITS);
        skip(THAWING_PERIOD - 1);
        served.deadline = type(uint64).max;
        assertEq(settle(signed(served, payer), CREDITS, PRICE), uint256(PRICE) * CREDITS);
    }

    function test_what_thawed_but_was_not_reclaimed_is_still_charged() public {
        depositAndAllow();
        revoke(CREDITS);
        skip(10 * THAWING_PERIOD);
        Permit memory served = permitOf(CREDITS);
        assertEq(settle(served, CREDITS, PRICE), uint256(PRICE) * CREDITS);
    }

    function test_a_payer_cannot_change_terms_by_any_order_of_calls_before_the_thaw() public {
        deposit(2 * uint256(PRICE) * CREDITS);
        allow(PRICE, CREDITS, address(0));
        Permit memory served = permitOf(CREDITS);
        revoke(CREDITS);
        // Cancel and start again, near the end: the time starts again too.
        skip(THAWING_PERIOD - 1);
        allow(PRICE, CREDITS, address(0));
        revoke(CREDITS);
        skip(1);
        bytes[5] memory calls = [
            abi.encodeCall(IEscrow.reclaim, (provider)),
            abi.encodeWithSignature(
                "allow(address,uint128,uint128,address)", provider, PRICE, CREDITS, signer.addr
            ),
            abi.encodeWithSignature(
                "allow(address,uint128,uint128,address)", provider, PRICE - 1, CREDITS, address(0)
            ),
            abi.encodeWithSignature("allow(address,uint128,uint128)", provider, PRICE, 1),
            abi.encodeCall(IEscrow.withdraw, (uint256(PRICE) * CREDITS + 1, payer.addr))
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            vm.prank(payer.addr);
            (bool success,) = address(escrow).call(calls[i]);
            assertFalse(success, "a payer call that should have failed");
        }
        served.deadline = type(uint64).max;
        assertEq(settle(signed(served, payer), CREDITS, PRICE), uint256(PRICE) * CREDITS);
    }

    function test_raising_the_price_after_the_service_costs_the_provider_nothing() public {
        depositAndAllow();
        Permit memory served = permitOf(CREDITS);
        deposit(uint256(PRICE) * CREDITS);
        allow(2 * PRICE, CREDITS, address(0));
        assertEq(settle(served, CREDITS, PRICE), uint256(PRICE) * CREDITS);
        assertEq(free(), uint256(PRICE) * CREDITS);
    }

    /* REPLAY ACROSS ALLOWANCES */

    function test_an_old_permit_is_good_again_under_a_new_allowance_up_to_its_own_limit() public {
        depositAndAllow();
        Permit memory old = signed(longLived(10), payer);
        settle(old, 4, PRICE);
        revoke(CREDITS);
        skip(THAWING_PERIOD);
        reclaim();
        vm.expectRevert(IEscrow.InsufficientCredits.selector);
        consume(PRICE, old);
        allow(PRICE, 50, address(0));
        // The six credits that it still had, and never the four again.
        assertEq(settle(old, 10, PRICE), 6 * PRICE);
        vm.expectRevert(IEscrow.PermitExceeded.selector);
        consume(PRICE, old);
    }

    function test_another_signer_voids_every_old_permit() public {
        depositAndAllow();
        Permit memory old = signed(longLived(10), payer);
        revoke(CREDITS);
        skip(THAWING_PERIOD);
        reclaim();
        allow(PRICE, 50, signer.addr);
        vm.expectRevert(IEscrow.InvalidSignature.selector);
        consume(PRICE, old);
    }

    /* RELAYER */

    function test_nobody_takes_an_allowance_or_its_operator_from_another_provider() public {
        depositAndAllow();
        Permit memory permit = permitOf(10);
        vm.startPrank(thief);
        escrow.setOperator(thief, type(uint48).max, 0);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.NotOperator.selector, provider, thief));
        escrow.consume(PRICE, permit);
        permit.provider = thief;
        vm.expectRevert(IEscrow.PriceTooHigh.selector);
        escrow.consume(PRICE, permit);
        escrow.collect(thief);
        assertEq(usdc.balanceOf(thief), 0);
    }

    /// @dev The residual risk of a hot key, see docs/security.md: it can settle what is still
    /// unsettled at price zero, and reaches neither the earnings nor other payers' free balances.
    function test_a_stolen_operator_key_can_undercharge_the_unsettled_only() public {
        depositAndAllow();
        settle(permitOf(60), 60, PRICE);
        settle(permitOf(100), 100, 0);
        assertEq(earned(), 60 * PRICE);
        assertEq(free(), 40 * PRICE);
    }

    /* BATCH */

    function test_one_row_cannot_use_up_another_payers_credits() public {
        depositAndAllow();
        Permit memory foreign = permitOf(10);
        foreign.payer = thief;
        Charge[] memory charges = new Charge[](2);
        charges[0] = Charge(permitOf(10), 10, PRICE);
        charges[1] = Charge(foreign, 10, PRICE);
        assertEq(settle(charges), 10 * PRICE);
        assertEq(escrow.consumed(thief, provider, LANE), 0);
        assertEq(allowance().credits, CREDITS - 10);
    }

    /// @dev ABI decoding is lazy, and a permit is hashed as it stands in the calldata: dirty bits
    /// beside a value must revert, not be cut.
    function test_a_row_with_dirty_bits_reverts() public {
        depositAndAllow();
        bytes memory clean = abi.encodeWithSelector(CONSUME_BATCH, rows(permitOf(10), 10, PRICE));
        // selector, array offset, length, row offset; then the row: permit offset, credits, price,
        // and the permit: payer, provider, lane, price, credits, deadline, epoch
        uint256[8] memory words = [uint256(4), 5, 6, 7, 9, 10, 11, 12];
        for (uint256 i = 0; i < words.length; ++i) {
            bytes memory dirty = bytes.concat(clean);
            dirty[4 + words[i] * 32] = 0x01;
            vm.prank(operator);
            (bool success,) = address(escrow).call(dirty);
            assertFalse(success, "dirty bits");
        }
        vm.prank(operator);
        (bool isClean,) = address(escrow).call(clean);
        assertTrue(isClean);
    }

    /* STEPS */

    function longLived(uint128 credits) private view returns (Permit memory permit) {
        permit = unsigned(LANE, PRICE, credits);
        permit.deadline = type(uint64).max;
    }
}
