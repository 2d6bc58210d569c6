// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Allowance} from "../../../src/interfaces/EscrowTypes.sol";
import {EscrowTest} from "../../support/EscrowTest.sol";
import {Role, World} from "../World.sol";
import {Handler} from "./Handler.sol";

/// @notice Payers: honest steps, and every attempt to get out of a promise.
contract PayerHandler is Handler {
    uint256 private constant AMOUNT_MAX = 1e12;
    uint128 private constant PRICE_MAX = 1e6;
    uint128 private constant CREDITS_MAX = 1000;

    uint256 private _salt;

    constructor(World world_) Handler(world_) {}

    function deposit(uint256 p, uint256 amount) external {
        _deposit(aPayer(p), bound(amount, 0, AMOUNT_MAX));
    }

    function donate(uint256 p, uint256 amount) external held(Role.Bystander) {
        amount = bound(amount, 0, AMOUNT_MAX);
        vm.prank(world.payerAt(aPayer(p)));
        usdc.transfer(address(escrow), amount);
        world.gave(amount);
    }

    function withdraw(uint256 p, uint256 amount) external {
        p = aPayer(p);
        _withdraw(p, bound(amount, 0, escrow.balanceOf(world.payerAt(p))));
    }

    function allow(uint256 p, uint256 v, uint128 price, uint128 credits, bool isPinned) external {
        (p, v) = (aPayer(p), aProvider(v));
        EscrowTest.Onboarding memory on = _target(p, v, price, credits, isPinned);
        uint256 free = escrow.balanceOf(on.payer);
        if (on.amount > free) _deposit(p, on.amount - free);
        _allow(p, on);
    }

    function depositAndAllow(uint256 p, uint256 v, uint128 price, uint128 credits, bool isPinned)
        external
    {
        (p, v) = (aPayer(p), aProvider(v));
        _depositAndAllow(p, _target(p, v, price, credits, isPinned));
    }

    function revoke(uint256 p, uint256 v, uint128 credits) external {
        (p, v) = (aPayer(p), aProvider(v));
        uint128 left = world.allowanceOf(p, v).credits;
        if (left != 0) _revoke(p, v, uint128(bound(credits, 1, uint256(left) * 2)));
    }

    /// @dev Of what is ripe, if anything is.
    function reclaim(uint256 p, uint256 v) external {
        (p, v) = aRipePair(p, v);
        _reclaim(p, v);
    }

    function bumpEpoch(uint256 p, uint256 v) external {
        (p, v) = (aPayer(p), aProvider(v));
        _bumpEpoch(p, v);
    }

    /// @dev Terms a little better or worse than the present ones, at any moment: refused, or within
    /// the rules.
    function tryToChangeTerms(uint256 p, uint256 v, uint8 price, uint8 credits, bool isPinned)
        external
    {
        (p, v) = (aPayer(p), aProvider(v));
        Allowance memory now_ = world.allowanceOf(p, v);
        uint128 newPrice = near(now_.pricePerCredit, price);
        uint128 newCredits = near(now_.credits, credits);
        // A signer whose key we do not have could never sign: stay with those we know.
        address signer = isPinned ? world.pinnedSigner() : address(0);
        _tryToChangeTerms(p, v, newPrice, newCredits, signer);
    }

    function tryToWithdrawTooMuch(uint256 p, uint256 more) external {
        p = aPayer(p);
        _tryToWithdraw(p, escrow.balanceOf(world.payerAt(p)) + bound(more, 1, AMOUNT_MAX));
    }

    /* STEPS */

    /// @dev One less, the same, or one more.
    function near(uint128 value, uint8 step) private pure returns (uint128) {
        uint128 above = value + step % 3;
        return above == 0 ? 0 : above - 1;
    }

    /// @dev Terms that `allow` takes as the allowance stands, and what they lock beyond it.
    function _target(uint256 p, uint256 v, uint128 price, uint128 credits, bool isPinned)
        private
        returns (EscrowTest.Onboarding memory on)
    {
        Allowance memory now_ = world.allowanceOf(p, v);
        price = uint128(bound(price, 0, PRICE_MAX));
        credits = uint128(bound(credits, 1, CREDITS_MAX));
        address signer = isPinned ? world.pinnedSigner() : address(0);
        if (now_.credits != 0) {
            price = now_.pricePerCredit + price % 10;
            credits = now_.credits + credits % 100;
            signer = now_.signer;
        }
        on.payer = world.payerAt(p);
        on.provider = world.providers(v);
        on.amount = uint256(price) * credits - uint256(now_.pricePerCredit) * now_.credits;
        on.validBefore = type(uint256).max;
        on.pricePerCredit = price;
        on.credits = credits;
        on.signer = signer;
        on.salt = bytes32(++_salt);
    }

    function _deposit(uint256 p, uint256 amount) private heldOf(p, 0) {
        vm.prank(world.payerAt(p));
        escrow.deposit(amount);
        world.sent(amount);
    }

    function _withdraw(uint256 p, uint256 amount) private heldOf(p, amount) {
        address payer = world.payerAt(p);
        vm.prank(payer);
        escrow.withdraw(amount, payer);
        world.left(amount);
    }

    function _allow(uint256 p, EscrowTest.Onboarding memory on) private heldOf(p, 0) {
        vm.prank(on.payer);
        escrow.allow(on.provider, on.pricePerCredit, on.credits, on.signer);
    }

    function _depositAndAllow(uint256 p, EscrowTest.Onboarding memory on) private heldOf(p, 0) {
        bytes memory signature = world.signOnboarding(p, on);
        _relay(on, signature);
        world.sent(on.amount);
    }

    function _relay(EscrowTest.Onboarding memory on, bytes memory signature) private {
        escrow.depositAndAllow(
            on.payer,
            on.amount,
            on.validAfter,
            on.validBefore,
            on.provider,
            on.pricePerCredit,
            on.credits,
            on.signer,
            on.salt,
            signature
        );
    }

    function _revoke(uint256 p, uint256 v, uint128 credits) private heldOf(p, 0) {
        address provider = world.providers(v);
        vm.prank(world.payerAt(p));
        escrow.revoke(provider, credits);
        world.revoked(p, v);
    }

    /// @dev Works exactly when something thaws and its time has come, by our own clock.
    function _reclaim(uint256 p, uint256 v) private heldOf(p, 0) {
        address provider = world.providers(v);
        bool isDue = isRipe(p, v);
        vm.prank(world.payerAt(p));
        try escrow.reclaim(provider) {
            world.check(3, isDue);
        } catch {
            world.check(3, !isDue);
        }
    }

    /// @dev Works exactly when no bump is pending, by our own clock.
    function _bumpEpoch(uint256 p, uint256 v) private heldOf(p, 0) {
        address provider = world.providers(v);
        (uint32 current, uint32 last) = world.epochsInForce(p, v);
        vm.prank(world.payerAt(p));
        try escrow.bumpEpoch(provider) {
            world.check(3, current == last);
            world.bumped(p, v);
        } catch {
            world.check(3, current != last);
        }
    }

    function _tryToChangeTerms(uint256 p, uint256 v, uint128 price, uint128 credits, address signer)
        private
        heldOf(p, 0)
    {
        address provider = world.providers(v);
        vm.prank(world.payerAt(p));
        try escrow.allow(provider, price, credits, signer) {} catch {}
    }

    function _tryToWithdraw(uint256 p, uint256 amount) private heldOf(p, 0) {
        address payer = world.payerAt(p);
        vm.prank(payer);
        try escrow.withdraw(amount, payer) {
            world.check(1, false);
        } catch {
            world.check(1, true);
        }
    }
}
