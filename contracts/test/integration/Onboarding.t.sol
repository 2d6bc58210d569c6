// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {EscrowTest} from "../support/EscrowTest.sol";

/// @notice `depositAndAllow` and the escrow's other dealings with the real USDC.
contract OnboardingTest is EscrowTest {
    function test_one_signature_deposits_and_allows() public {
        Onboarding memory on = onboarding();
        on.signer = signer.addr;
        bytes memory signature = onboardingSignature(on);
        vm.expectEmit(address(escrow));
        emit IEscrow.Deposited(payer.addr, on.amount);
        vm.expectEmit(address(escrow));
        emit IEscrow.Allowed(payer.addr, provider, PRICE, CREDITS, signer.addr);
        vm.prank(thief);
        onboard(on, signature);
        assertEq(free(), 0);
        assertEq(allowance().credits, CREDITS);
        assertEq(allowance().pricePerCredit, PRICE);
        assertEq(allowance().signer, signer.addr);
        assertEq(usdc.balanceOf(address(escrow)), on.amount);
    }

    function test_what_exceeds_the_allowance_stays_free() public {
        Onboarding memory on = onboarding();
        on.amount += 5;
        onboard(on, onboardingSignature(on));
        assertEq(free(), 5);
    }

    function test_an_amount_of_zero_is_a_gasless_allow() public {
        deposit(uint256(PRICE) * CREDITS);
        Onboarding memory on = onboarding();
        on.amount = 0;
        onboard(on, onboardingSignature(on));
        assertEq(free(), 0);
        assertEq(allowance().credits, CREDITS);
    }

    function test_a_relayer_can_change_no_parameter() public {
        Onboarding memory on = onboarding();
        bytes memory signature = onboardingSignature(on);
        for (uint256 i = 0; i < 9; ++i) {
            Onboarding memory forged = onboarding();
            if (i == 0) forged.payer = thief;
            if (i == 1) forged.amount += 1;
            if (i == 2) forged.validAfter += 1;
            if (i == 3) forged.validBefore += 1;
            if (i == 4) forged.provider = thief;
            if (i == 5) forged.pricePerCredit -= 1;
            if (i == 6) forged.credits -= 1;
            if (i == 7) forged.signer = thief;
            if (i == 8) forged.salt = 0;
            vm.expectRevert("FiatTokenV2: invalid signature");
            onboard(forged, signature);
        }
        onboard(on, signature);
    }

    function test_a_relayer_cannot_strip_the_allowance() public {
        Onboarding memory on = onboarding();
        bytes memory signature = onboardingSignature(on);
        bytes32 nonce = onboardingNonce(on);
        vm.startPrank(thief);
        // Straight to the token: only the escrow may use it.
        (bool success, bytes memory reason) = address(usdc)
            .call(
                abi.encodeWithSignature(
                    "receiveWithAuthorization(address,address,uint256,uint256,uint256,bytes32,bytes)",
                    on.payer,
                    address(escrow),
                    on.amount,
                    on.validAfter,
                    on.validBefore,
                    nonce,
                    signature
                )
            );
        assertFalse(success);
        assertEq(
            reason,
            abi.encodeWithSignature("Error(string)", "FiatTokenV2: caller must be the payee")
        );
        (success,) = address(usdc)
            .call(
                abi.encodeWithSignature(
                    "transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,bytes)",
                    on.payer,
                    address(escrow),
                    on.amount,
                    on.validAfter,
                    on.validBefore,
                    nonce,
                    signature
                )
            );
        assertFalse(success);
    }

    function test_a_plain_authorisation_to_the_escrow_is_not_taken() public {
        Onboarding memory on = onboarding();
        bytes memory signature = receiveSignature(on, address(escrow), keccak256("my own nonce"));
        vm.expectRevert("FiatTokenV2: invalid signature");
        onboard(on, signature);
    }

    function test_the_same_signature_works_once() public {
        Onboarding memory on = onboarding();
        bytes memory signature = onboardingSignature(on);
        onboard(on, signature);
        vm.expectRevert("FiatTokenV2: authorization is used or canceled");
        onboard(on, signature);
    }

    function test_a_front_runner_only_pays_the_gas() public {
        Onboarding memory on = onboarding();
        bytes memory signature = onboardingSignature(on);
        vm.prank(thief);
        onboard(on, signature);
        assertEq(allowance().credits, CREDITS);
        assertEq(escrow.balanceOf(thief), 0);
    }

    function test_deposit_and_allow_stand_or_fall_together() public {
        Onboarding memory on = onboarding();
        on.amount = 1;
        bytes memory signature = onboardingSignature(on);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEscrow.InsufficientBalance.selector, 1, uint256(PRICE) * CREDITS
            )
        );
        onboard(on, signature);
        assertEq(usdc.balanceOf(payer.addr), FUNDS);
    }

    function test_the_tokens_times_hold() public {
        Onboarding memory on = onboarding();
        on.validAfter = block.timestamp;
        bytes memory signature = onboardingSignature(on);
        vm.expectRevert("FiatTokenV2: authorization is not yet valid");
        onboard(on, signature);
        vm.warp(on.validBefore);
        vm.expectRevert("FiatTokenV2: authorization is expired");
        onboard(on, signature);
    }

    /// @dev Why `validBefore` should be near: kept back, it cancels a later revoke. The payer's way
    /// out is the token's own cancelAuthorization.
    function test_a_held_back_signature_cancels_a_revoke_unless_the_payer_cancels_it() public {
        depositAndAllow();
        Onboarding memory on = onboarding();
        on.amount = 0;
        bytes memory signature = onboardingSignature(on);
        revoke(CREDITS);
        uint256 before = vm.snapshotState();
        onboard(on, signature);
        assertEq(allowance().thawEnd, 0);

        vm.revertToState(before);
        bytes32 nonce = onboardingNonce(on);
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("CancelAuthorization(address authorizer,bytes32 nonce)"),
                payer.addr,
                nonce
            )
        );
        bytes32 domain = usdc.DOMAIN_SEPARATOR();
        bytes memory cancel =
            sign(payer, keccak256(abi.encodePacked(hex"1901", domain, structHash)));
        usdc.cancelAuthorization(payer.addr, nonce, cancel);
        vm.expectRevert("FiatTokenV2: authorization is used or canceled");
        onboard(on, signature);
        assertGt(allowance().thawEnd, 0);
    }

    function test_nobody_onboards_the_zero_address() public {
        Onboarding memory on = onboarding();
        on.payer = address(0);
        bytes memory signature = onboardingSignature(on);
        vm.expectRevert();
        onboard(on, signature);
    }

    /* USDC'S OWN POWERS */

    function test_a_blacklisted_payers_debt_is_still_settled() public {
        depositAndAllow();
        vm.prank(admin);
        usdc.blacklist(payer.addr);
        settle(permitOf(10), 10, PRICE);
        vm.prank(provider);
        escrow.collect(provider);
        assertEq(usdc.balanceOf(provider), 10 * PRICE);
    }

    function test_a_blacklisted_provider_keeps_its_earnings_in_the_escrow() public {
        depositAndAllow();
        settle(permitOf(10), 10, PRICE);
        vm.prank(admin);
        usdc.blacklist(provider);
        vm.startPrank(provider);
        vm.expectRevert("Blacklistable: account is blacklisted");
        escrow.collect(provider);
        assertEq(earned(), 10 * PRICE);
    }

    function test_a_paused_token_stops_transfers_and_not_settlement() public {
        depositAndAllow();
        vm.prank(admin);
        usdc.pause();
        vm.prank(payer.addr);
        vm.expectRevert("Pausable: paused");
        escrow.deposit(1);
        assertEq(settle(permitOf(10), 10, PRICE), 10 * PRICE);
    }

    function test_withdraw_to_the_token_itself_is_refused_by_the_token() public {
        deposit(1);
        vm.prank(payer.addr);
        vm.expectRevert("Blacklistable: account is blacklisted");
        escrow.withdraw(1, address(usdc));
    }
}
