// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Allowance, Charge, Permit} from "../../src/interfaces/EscrowTypes.sol";
import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {EscrowTest} from "../support/EscrowTest.sol";

/// @notice The arithmetic of charges and thawing, over all numbers.
contract EscrowFuzzTest is EscrowTest {
    uint256 private constant MONEY = 1e30;

    function setUp() public override {
        super.setUp();
        mint(payer.addr, MONEY);
        deposit(MONEY);
    }

    /// @dev Whatever is charged, the payer's and the provider's shares add up to what was locked.
    function testFuzz_a_charge_splits_what_was_locked(
        uint128 allowedPrice,
        uint128 credits,
        uint128 permitPrice,
        uint128 permitCredits,
        uint128 cumulative,
        uint128 price
    ) public {
        (allowedPrice, credits) = affordable(allowedPrice, credits);
        allow(allowedPrice, credits, address(0));
        Permit memory permit = signed(unsigned(LANE, permitPrice, permitCredits), payer);
        uint256 amount = settle(permit, cumulative, price);

        bool fits = cumulative != 0 && cumulative <= permitCredits && cumulative <= credits
            && price <= permitPrice && price <= allowedPrice;
        uint256 charged = fits ? cumulative : 0;
        assertEq(amount, charged * price);
        assertEq(earned(), amount);
        assertEq(consumed(LANE), charged);
        assertEq(allowance().credits, credits - charged);
        uint256 locked = uint256(allowance().credits) * allowedPrice;
        assertEq(free() + locked + earned(), MONEY);
    }

    /// @dev One row or many, in whatever steps: the lane ends where it ends, at the same price.
    function testFuzz_settling_in_steps_comes_to_the_same(
        uint128 credits,
        uint128 first,
        uint128 second
    ) public {
        credits = uint128(bound(credits, 1, MONEY / PRICE));
        allow(PRICE, credits, address(0));
        first = uint128(bound(first, 0, credits));
        second = uint128(bound(second, 0, credits));
        Permit memory permit = permitOf(credits);
        Charge[] memory charges = new Charge[](2);
        charges[0] = Charge(permit, first, PRICE);
        charges[1] = Charge(permit, second, PRICE);
        uint128 most = first > second ? first : second;
        assertEq(settle(charges), uint256(most) * PRICE);
        assertEq(settle(charges), 0);
        assertEq(consumed(LANE), most);
    }

    function testFuzz_single_and_batch_agree(uint128 price, uint128 allowedPrice) public {
        (allowedPrice,) = affordable(allowedPrice, 2);
        allow(allowedPrice, 2, address(0));
        Permit memory permit = signed(unsigned(LANE, type(uint128).max, 2), payer);
        uint256 start = vm.snapshotState();
        uint256 amount = settle(permit, 1, price);
        bytes32 batched = keccak256(abi.encode(allowance(), earned(), free(), consumed(LANE)));
        vm.revertToState(start);
        if (price > allowedPrice) {
            assertEq(amount, 0);
            vm.expectRevert(IEscrow.PriceTooHigh.selector);
        }
        consume(price, permit);
        bytes32 single = keccak256(abi.encode(allowance(), earned(), free(), consumed(LANE)));
        assertEq(single, batched);
    }

    function testFuzz_thawed_credits_return_in_full(
        uint128 price,
        uint128 credits,
        uint128 revoked,
        uint128 charged,
        uint64 waited
    ) public {
        (price, credits) = affordable(price, credits);
        allow(price, credits, address(0));
        revoked = uint128(bound(revoked, 1, type(uint128).max));
        revoke(revoked);
        charged = uint128(bound(charged, 0, credits));
        Permit memory permit = unsigned(LANE, price, charged);
        permit.deadline = type(uint64).max;
        settle(signed(permit, payer), charged, price);
        Allowance memory held = allowance();
        assertLe(held.thawingCredits, held.credits);
        assertEq(held.thawEnd == 0, held.thawingCredits == 0);
        skip(waited % (2 * THAWING_PERIOD));
        uint256 had = free();
        vm.prank(payer.addr);
        if (held.thawingCredits == 0) {
            vm.expectRevert(IEscrow.NothingThawing.selector);
        } else if (block.timestamp < held.thawEnd) {
            vm.expectPartialRevert(IEscrow.StillThawing.selector);
        }
        escrow.reclaim(provider);
        if (held.thawingCredits == 0 || block.timestamp < held.thawEnd) return;
        assertEq(free() - had, uint256(held.thawingCredits) * price);
        assertEq(allowance().credits, held.credits - held.thawingCredits);
    }

    function testFuzz_a_second_allow_locks_the_difference(
        uint128 price,
        uint128 credits,
        uint128 newPrice,
        uint128 newCredits
    ) public {
        (price, credits) = affordable(price, credits);
        (newPrice, newCredits) = affordable(newPrice, newCredits);
        allow(price, credits, address(0));
        if (newPrice < price || newCredits < credits) {
            vm.expectPartialRevert(IEscrow.AllowanceDecrease.selector);
            allow(newPrice, newCredits, address(0));
            return;
        }
        allow(newPrice, newCredits, address(0));
        assertEq(free(), MONEY - uint256(newPrice) * newCredits);
    }

    /// @dev Random bytes are nobody's signature, whatever their length.
    function testFuzz_noise_is_no_signature(bytes calldata noise) public {
        allow(PRICE, CREDITS, address(0));
        Permit memory permit = unsigned(LANE, PRICE, 1);
        permit.signature = noise;
        vm.expectRevert(IEscrow.InvalidSignature.selector);
        consume(PRICE, permit);
    }

    function affordable(uint128 price, uint128 credits) private pure returns (uint128, uint128) {
        uint128 fit = uint128(bound(credits, 1, 1e15));
        return (uint128(bound(price, 0, MONEY / fit)), fit);
    }
}
