// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Charge, Permit} from "../../src/interfaces/EscrowTypes.sol";
import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {EscrowTest} from "../support/EscrowTest.sol";

/// @notice `consume(price, permit)`: one credit, or a named error.
contract EscrowConsumeTest is EscrowTest {
    function test_consume_charges_one_credit_on_the_lane() public {
        depositAndAllow();
        vm.expectEmit(address(escrow));
        emit IEscrow.Charged(payer.addr, provider, LANE, 1, 1, PRICE);
        consume(PRICE, permitOf(3));
        assertEq(consumed(LANE), 1);
        assertEq(earned(), PRICE);
        assertEq(allowance().credits, CREDITS - 1);
    }

    function test_consume_is_open_to_the_provider_and_its_operator_alone() public {
        depositAndAllow();
        Permit memory permit = permitOf(3);
        vm.prank(provider);
        escrow.consume(PRICE, permit);
        vm.prank(operator);
        escrow.consume(PRICE, permit);
        bytes memory refusal = abi.encodeWithSelector(IEscrow.NotOperator.selector, provider, thief);
        vm.prank(thief);
        vm.expectRevert(refusal);
        escrow.consume(PRICE, permit);
        vm.prank(payer.addr);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.NotOperator.selector, provider, payer.addr));
        escrow.consume(PRICE, permit);
    }

    function test_consume_charges_as_often_as_the_permit_has_credits() public {
        depositAndAllow();
        Permit memory permit = permitOf(2);
        consume(PRICE, permit);
        consume(PRICE, permit);
        expectRefusal(IEscrow.PermitExceeded.selector, PRICE, permit);
        assertEq(consumed(LANE), 2);
    }

    function test_what_is_charged_below_the_allowed_price_returns_to_the_payer() public {
        depositAndAllow();
        consume(PRICE - 300, permitOf(1));
        assertEq(earned(), PRICE - 300);
        assertEq(free(), 300);
    }

    function test_a_price_above_the_permits_is_refused() public {
        depositAndAllow();
        Permit memory cheap = signed(unsigned(LANE, PRICE - 1, 1), payer);
        expectRefusal(IEscrow.PriceTooHigh.selector, PRICE, cheap);
        consume(PRICE - 1, cheap);
        assertEq(free(), 1);
    }

    function test_a_price_above_the_allowed_one_is_refused() public {
        depositAndAllow();
        Permit memory dear = signed(unsigned(LANE, 2 * PRICE, 1), payer);
        expectRefusal(IEscrow.PriceTooHigh.selector, PRICE + 1, dear);
    }

    function test_a_price_beyond_128_bits_is_too_high_and_never_cut_short() public {
        depositAndAllow();
        Permit memory permit = signed(unsigned(LANE, type(uint128).max, 1), payer);
        expectRefusal(IEscrow.PriceTooHigh.selector, 1 << 128, permit);
        expectRefusal(IEscrow.PriceTooHigh.selector, type(uint256).max, permit);
    }

    function test_price_zero_charges_a_credit_and_no_money() public {
        depositAndAllow();
        consume(0, permitOf(1));
        assertEq(earned(), 0);
        assertEq(free(), PRICE);
        assertEq(allowance().credits, CREDITS - 1);
    }

    function test_the_deadlines_second_is_the_last_good_one() public {
        depositAndAllow();
        Permit memory permit = permitOf(2);
        vm.warp(permit.deadline);
        consume(PRICE, permit);
        vm.warp(permit.deadline + 1);
        expectRefusal(IEscrow.PermitExpired.selector, PRICE, permit);
    }

    function test_credits_run_out() public {
        deposit(PRICE);
        allow(PRICE, 1, address(0));
        consume(PRICE, permitOf(2));
        expectRefusal(IEscrow.InsufficientCredits.selector, PRICE, permitOf(2));
    }

    function test_without_an_allowance_nothing_is_charged() public {
        Permit memory permit = signed(unsigned(LANE, PRICE, 1), payer);
        expectRefusal(IEscrow.PriceTooHigh.selector, PRICE, permit);
        expectRefusal(IEscrow.InsufficientCredits.selector, 0, permit);
    }

    function test_the_pinned_signer_signs_and_the_payer_no_longer_does() public {
        deposit(uint256(PRICE) * CREDITS);
        allow(PRICE, CREDITS, signer.addr);
        consume(PRICE, signed(unsigned(LANE, PRICE, 1), signer));
        expectRefusal(IEscrow.InvalidSignature.selector, PRICE, permitOf(2));
    }

    function test_a_delegated_payer_still_pays_what_it_signed() public {
        depositAndAllow();
        Permit memory permit = permitOf(1);
        // EIP-7702: the payer's address now carries code that answers nothing.
        vm.etch(payer.addr, hex"ef0100000000000000000000000000000000000000dead");
        consume(PRICE, permit);
        assertEq(earned(), PRICE);
    }

    function test_every_field_is_signed() public {
        depositAndAllow();
        Permit[6] memory forged;
        for (uint256 i = 0; i < forged.length; ++i) {
            forged[i] = permitOf(5);
        }
        forged[0].lane = keccak256("other lane");
        forged[1].price += 1;
        forged[2].credits += 1;
        forged[3].deadline += 1;
        forged[4].signature[64] ^= 0x07;
        forged[5].signature = abi.encodePacked(forged[5].signature, uint8(0));
        for (uint256 i = 0; i < forged.length; ++i) {
            expectRefusal(IEscrow.InvalidSignature.selector, PRICE, forged[i]);
        }
    }

    function test_a_permit_for_another_provider_is_no_permit() public {
        depositAndAllow();
        Permit memory permit = unsigned(LANE, PRICE, 1);
        permit.provider = thief;
        permit = signed(permit, payer);
        permit.provider = provider;
        expectRefusal(IEscrow.InvalidSignature.selector, PRICE, permit);
    }

    function test_a_permit_of_another_payer_is_no_permit() public {
        depositAndAllow();
        Permit memory permit = signed(unsigned(LANE, PRICE, 1), signer);
        expectRefusal(IEscrow.InvalidSignature.selector, PRICE, permit);
    }

    function test_a_permit_for_another_escrow_or_chain_is_no_permit() public {
        depositAndAllow();
        Permit memory permit = unsigned(LANE, PRICE, 1);
        permit.signature = sign(payer, permitDigest(permit, address(usdc), block.chainid));
        expectRefusal(IEscrow.InvalidSignature.selector, PRICE, permit);
        permit.signature = sign(payer, permitDigest(permit, address(escrow), block.chainid + 1));
        expectRefusal(IEscrow.InvalidSignature.selector, PRICE, permit);
    }

    function test_the_domain_follows_the_chain_after_a_fork() public {
        depositAndAllow();
        Permit memory permit = permitOf(1);
        vm.chainId(block.chainid + 1);
        expectRefusal(IEscrow.InvalidSignature.selector, PRICE, permit);
        consume(PRICE, permitOf(1));
    }

    /// @dev The other valid (r, n - s, v') of the same signature: ecrecover takes it, ECDSA here
    /// not.
    function test_a_malleable_signature_is_refused() public {
        depositAndAllow();
        Permit memory permit = unsigned(LANE, PRICE, 1);
        bytes32 digest = permitDigest(permit, address(escrow), block.chainid);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(payer.privateKey, digest);
        uint256 order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        bytes32 highS = bytes32(order - uint256(s));
        assertEq(ecrecover(digest, v ^ 7, r, highS), payer.addr);
        permit.signature = abi.encodePacked(r, highS, v ^ 7);
        expectRefusal(IEscrow.InvalidSignature.selector, PRICE, permit);
    }

    function test_a_signature_that_recovers_nobody_is_never_somebodys() public {
        Permit memory permit = unsigned(LANE, 0, 1);
        permit.payer = address(0);
        permit.signature = abi.encodePacked(bytes32(0), bytes32(0), uint8(27));
        // Nobody can allow as the zero address; make it look as if it had.
        vm.prank(address(0));
        escrow.allow(provider, 0, 1);
        expectRefusal(IEscrow.InvalidSignature.selector, 0, permit);
    }

    function test_a_payer_may_be_its_own_provider() public {
        deposit(uint256(PRICE) * 2);
        vm.startPrank(payer.addr);
        escrow.allow(payer.addr, PRICE, 2);
        Permit memory permit = unsigned(LANE, PRICE, 2);
        permit.provider = payer.addr;
        escrow.consume(PRICE - 1, signed(permit, payer));
        assertEq(escrow.earned(payer.addr), PRICE - 1);
        assertEq(free(), 1);
        escrow.collect(payer.addr);
        assertEq(usdc.balanceOf(payer.addr), FUNDS - uint256(PRICE) * 2 + PRICE - 1);
    }

    function test_a_lane_is_counted_per_payer_and_provider() public {
        depositAndAllow();
        consume(PRICE, permitOf(1));
        assertEq(escrow.consumed(payer.addr, thief, LANE), 0);
        assertEq(escrow.consumed(thief, provider, LANE), 0);
    }

    function test_a_refusal_is_the_errors_selector_and_nothing_more() public {
        depositAndAllow();
        Permit memory permit = permitOf(0);
        vm.prank(operator);
        try escrow.consume(PRICE, permit) {
            fail();
        } catch (bytes memory refusal) {
            assertEq(refusal, abi.encodePacked(IEscrow.PermitExceeded.selector));
        }
    }

    function expectRefusal(bytes4 reason, uint256 price, Permit memory permit) private {
        vm.expectRevert(reason);
        consume(price, permit);
        // The batch says the same, by an event.
        if (price > type(uint128).max) return;
        uint256 next = escrow.consumed(permit.payer, permit.provider, permit.lane) + 1;
        vm.expectEmit(address(escrow));
        emit IEscrow.ChargeSkipped(permit.payer, permit.provider, permit.lane, next, reason);
        assertEq(settle(permit, uint128(next), uint128(price)), 0);
    }
}
