// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {Kind, Message, RelayTest} from "../support/RelayTest.sol";
import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";

/// @notice `revokeFor`, `bumpEpochFor`, `reclaimFor` and `withdrawFor`: out without ETH, and what a
/// relayer cannot do.
contract EscrowRelayTest is RelayTest {
    uint256 private constant FREE = 5000;

    /// @dev Every kind of message would do something: credits thaw and are ripe, money is free.
    function setUp() public override {
        super.setUp();
        depositAndAllow();
        deposit(FREE);
        revoke(20);
        skip(THAWING_PERIOD);
    }

    /* WHAT EACH DOES */

    function test_a_revoke_is_relayed() public {
        uint64 thawEnd = uint64(block.timestamp) + THAWING_PERIOD;
        vm.expectEmit(address(escrow));
        emit IEscrow.RevokeStarted(payer.addr, provider, 10, thawEnd);
        send(Kind.Revoke, 300);
        assertEq(allowance().thawingCredits, 10);
        assertEq(allowance().thawEnd, thawEnd);
    }

    function test_a_bump_is_relayed() public {
        uint64 end = uint64(block.timestamp) + THAWING_PERIOD;
        vm.expectEmit(address(escrow));
        emit IEscrow.EpochBumped(payer.addr, provider, 1, end);
        send(Kind.BumpEpoch, 300);
        assertEq(allowance().epochEnd, end);
    }

    function test_a_reclaim_is_relayed() public {
        vm.expectEmit(address(escrow));
        emit IEscrow.Reclaimed(payer.addr, provider, 20, 20 * PRICE);
        send(Kind.Reclaim, 300);
        assertEq(free(), FREE + 20 * PRICE - 300);
        assertEq(allowance().credits, CREDITS - 20);
    }

    function test_a_withdrawal_is_relayed_and_the_fee_comes_on_top() public {
        uint256 had = usdc.balanceOf(payer.addr);
        vm.expectEmit(address(escrow));
        emit IEscrow.Withdrawn(payer.addr, payer.addr, 700);
        send(Kind.Withdraw, 300);
        assertEq(usdc.balanceOf(payer.addr) - had, 700);
        assertEq(free(), FREE - 1000);
    }

    function test_a_withdrawal_goes_where_it_was_signed_to() public {
        Message memory message = messageOf(Kind.Withdraw);
        message.to = makeAddr("new wallet");
        relay(signed(message, payer), 0, relayer);
        assertEq(usdc.balanceOf(message.to), 700);
    }

    /* FEE */

    function test_the_relayer_gets_its_fee_as_free_balance() public {
        for (uint256 kind = 0; kind < KINDS; ++kind) {
            uint256 start = vm.snapshotState();
            Message memory message = signed(messageOf(Kind(kind)), payer);
            uint256 had = free();
            vm.expectEmit(address(escrow));
            emit IEscrow.Relayed(payer.addr, relayer, 0, FEE_MAX);
            relay(message, FEE_MAX, relayer);
            assertEq(escrow.balanceOf(relayer), FEE_MAX);
            uint256 reclaimed = Kind(kind) == Kind.Reclaim ? 20 * PRICE : 0;
            uint256 withdrawn = Kind(kind) == Kind.Withdraw ? 700 : 0;
            assertEq(free(), had + reclaimed - withdrawn - FEE_MAX);
            vm.revertToState(start);
        }
    }

    function test_no_fee_is_taken_beyond_what_was_signed() public {
        for (uint256 kind = 0; kind < KINDS; ++kind) {
            Message memory message = signed(messageOf(Kind(kind)), payer);
            vm.expectRevert(
                abi.encodeWithSelector(IEscrow.FeeTooHigh.selector, FEE_MAX + 1, FEE_MAX)
            );
            relay(message, FEE_MAX + 1, relayer);
        }
        assertUntouched();
    }

    function test_a_fee_goes_to_nobody_only_when_there_is_none() public {
        for (uint256 kind = 0; kind < KINDS; ++kind) {
            Message memory message = signed(messageOf(Kind(kind)), payer);
            vm.expectRevert(abi.encodeWithSelector(IEscrow.InvalidRecipient.selector, address(0)));
            relay(message, 1, address(0));
            vm.expectRevert(
                abi.encodeWithSelector(IEscrow.InvalidRecipient.selector, address(escrow))
            );
            relay(message, 1, address(escrow));
            uint256 start = vm.snapshotState();
            vm.expectEmit(address(escrow));
            emit IEscrow.Relayed(payer.addr, address(0), 0, 0);
            relay(message, 0, address(0));
            vm.revertToState(start);
        }
    }

    function test_a_fee_that_the_payer_does_not_have_moves_nothing() public {
        vm.prank(payer.addr);
        escrow.withdraw(FREE - 700, payer.addr);
        Message memory message = signed(messageOf(Kind.Withdraw), payer);
        // The fee is taken first: what is left is short by as much.
        vm.expectRevert(abi.encodeWithSelector(IEscrow.InsufficientBalance.selector, 699, 700));
        relay(message, 1, relayer);
        relay(message, 0, relayer);
        message = signed(messageOf(Kind.Revoke), payer);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.InsufficientBalance.selector, 0, 1));
        relay(message, 1, relayer);
        assertEq(escrow.nonces(payer.addr), 1);
    }

    function test_a_reclaim_pays_its_fee_out_of_what_it_brings() public {
        vm.prank(payer.addr);
        escrow.withdraw(FREE, payer.addr);
        send(Kind.Reclaim, FEE_MAX);
        assertEq(free(), 20 * PRICE - FEE_MAX);
    }

    function test_a_payer_may_relay_its_own_message_to_itself() public {
        Message memory message = signed(messageOf(Kind.Reclaim), payer);
        vm.prank(payer.addr);
        relay(message, FEE_MAX, payer.addr);
        assertEq(free(), FREE + 20 * PRICE);
    }

    /* REPLAY */

    function test_a_message_is_good_once() public {
        for (uint256 kind = 0; kind < KINDS; ++kind) {
            uint256 start = vm.snapshotState();
            Message memory message = signed(messageOf(Kind(kind)), payer);
            relay(message, 0, relayer);
            assertEq(escrow.nonces(payer.addr), 1);
            expectNonce(1);
            relay(message, 0, relayer);
            vm.revertToState(start);
        }
    }

    function test_messages_come_in_the_order_of_their_nonces() public {
        Message memory second = messageOf(Kind.Withdraw);
        second.by.nonce = 1;
        second = signed(second, payer);
        expectNonce(0);
        relay(second, 0, relayer);
        send(Kind.Revoke, 0);
        relay(second, 0, relayer);
        assertEq(escrow.nonces(payer.addr), 2);
    }

    function test_two_messages_with_one_nonce_exclude_each_other() public {
        Message memory withdrawal = signed(messageOf(Kind.Withdraw), payer);
        send(Kind.Reclaim, 0);
        expectNonce(1);
        relay(withdrawal, 0, relayer);
    }

    function test_nonces_are_counted_per_payer() public {
        send(Kind.Revoke, 0);
        assertEq(escrow.nonces(payer.addr), 1);
        assertEq(escrow.nonces(thief), 0);
        assertEq(escrow.nonces(relayer), 0);
    }

    function test_a_message_that_fails_keeps_its_nonce() public {
        Message memory early = signed(messageOf(Kind.Reclaim), payer);
        revoke(20);
        vm.expectPartialRevert(IEscrow.StillThawing.selector);
        relay(early, 0, relayer);
        assertEq(escrow.nonces(payer.addr), 0);
    }

    /* DEADLINE */

    function test_the_deadlines_second_is_the_last_good_one() public {
        for (uint256 kind = 0; kind < KINDS; ++kind) {
            Message memory message = signed(messageOf(Kind(kind)), payer);
            uint256 start = vm.snapshotState();
            vm.warp(message.by.deadline + 1);
            vm.expectRevert(
                abi.encodeWithSelector(IEscrow.AuthorizationExpired.selector, message.by.deadline)
            );
            relay(message, 0, relayer);
            vm.warp(message.by.deadline);
            relay(message, 0, relayer);
            vm.revertToState(start);
        }
    }

    /* SIGNATURE */

    function test_a_relayer_can_change_no_field() public {
        for (uint256 kind = 0; kind < KINDS; ++kind) {
            bool isWithdraw = Kind(kind) == Kind.Withdraw;
            for (uint256 field = 0; field < 9; ++field) {
                Message memory message = signed(messageOf(Kind(kind)), payer);
                if (field == 0) message.payer = signer.addr;
                if (field == 1) message.by.feeMax += 1;
                if (field == 2) message.by.nonce += 1;
                if (field == 3) message.by.deadline += 1;
                if (field == 4) message.by.signature[64] ^= 0x07;
                if (field == 5) message.by.signature = bytes.concat(message.by.signature, hex"00");
                if (field == 6 && isWithdraw) message.to = thief;
                if (field == 6 && !isWithdraw) message.provider = thief;
                if (field == 7 && isWithdraw) message.amount += 1;
                if (field == 7 && Kind(kind) == Kind.Revoke) message.credits += 1;
                if (field == 8) message.by.signature = "";
                if (field == 7 && !isWithdraw && Kind(kind) != Kind.Revoke) continue;
                vm.expectRevert(IEscrow.InvalidAuthorization.selector);
                relay(message, 0, relayer);
            }
        }
        assertUntouched();
    }

    function test_a_message_of_one_kind_is_none_of_another() public {
        for (uint256 kind = 0; kind < KINDS; ++kind) {
            for (uint256 other = 0; other < KINDS; ++other) {
                if (kind == other) continue;
                Message memory message = signed(messageOf(Kind(kind)), payer);
                message.kind = Kind(other);
                vm.expectRevert(IEscrow.InvalidAuthorization.selector);
                relay(message, 0, relayer);
            }
        }
        assertUntouched();
    }

    function test_a_message_for_another_escrow_or_chain_is_none() public {
        for (uint256 kind = 0; kind < KINDS; ++kind) {
            Message memory message = messageOf(Kind(kind));
            bytes32 elsewhere = messageDigest(message, address(usdc), block.chainid);
            message.by.signature = sign(payer, elsewhere);
            vm.expectRevert(IEscrow.InvalidAuthorization.selector);
            relay(message, 0, relayer);
            elsewhere = messageDigest(message, address(escrow), block.chainid + 1);
            message.by.signature = sign(payer, elsewhere);
            vm.expectRevert(IEscrow.InvalidAuthorization.selector);
            relay(message, 0, relayer);
        }
    }

    function test_the_allowances_signer_signs_no_message() public {
        settle(permitOf(CREDITS, 0), CREDITS, PRICE);
        deposit(uint256(PRICE) * CREDITS);
        allow(PRICE, CREDITS, signer.addr);
        revoke(20);
        skip(THAWING_PERIOD);
        for (uint256 kind = 0; kind < KINDS; ++kind) {
            Message memory message = signed(messageOf(Kind(kind)), signer);
            vm.expectRevert(IEscrow.InvalidAuthorization.selector);
            relay(message, 0, relayer);
        }
    }

    function test_a_signature_that_recovers_nobody_is_not_the_zero_addresss() public {
        Message memory message = messageOf(Kind.Withdraw);
        message.payer = address(0);
        message.amount = 0;
        message.by.signature = abi.encodePacked(bytes32(0), bytes32(0), uint8(27));
        vm.expectRevert(IEscrow.InvalidAuthorization.selector);
        relay(message, 0, relayer);
    }

    /* REFUSALS */

    function test_a_message_fails_as_the_payers_own_call_would() public {
        Message memory message = messageOf(Kind.Revoke);
        message.credits = 0;
        message = signed(message, payer);
        vm.expectRevert(IEscrow.ZeroCredits.selector);
        relay(message, 0, relayer);

        message = messageOf(Kind.Withdraw);
        message.to = address(escrow);
        message = signed(message, payer);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.InvalidRecipient.selector, message.to));
        relay(message, 0, relayer);

        send(Kind.Reclaim, 0);
        message = signed(messageOf(Kind.Reclaim), payer);
        vm.expectRevert(IEscrow.NothingThawing.selector);
        relay(message, 0, relayer);

        send(Kind.BumpEpoch, 0);
        uint64 end = uint64(block.timestamp) + THAWING_PERIOD;
        message = signed(messageOf(Kind.BumpEpoch), payer);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.EpochPending.selector, end));
        relay(message, 0, relayer);
    }

    function test_a_relayed_revoke_gives_the_provider_its_full_time() public {
        send(Kind.Revoke, 0);
        skip(THAWING_PERIOD - 1);
        assertEq(settle(permitOf(CREDITS, 0), CREDITS, PRICE), uint256(PRICE) * CREDITS);
    }

    function test_a_delegated_payer_still_signs_by_its_key() public {
        Message memory message = signed(messageOf(Kind.Withdraw), payer);
        vm.etch(payer.addr, hex"ef0100000000000000000000000000000000000000dead");
        relay(message, 0, relayer);
        assertEq(free(), FREE - 700);
    }

    /* STEPS */

    function send(Kind kind, uint256 fee) private {
        relay(signed(messageOf(kind), payer), fee, relayer);
    }

    function expectNonce(uint256 current) private {
        vm.expectRevert(
            abi.encodeWithSelector(Nonces.InvalidAccountNonce.selector, payer.addr, current)
        );
    }

    function assertUntouched() private view {
        assertEq(free(), FREE);
        assertEq(escrow.nonces(payer.addr), 0);
        assertEq(escrow.balanceOf(relayer), 0);
        assertEq(allowance().thawingCredits, 20);
        assertEq(allowance().epochEnd, 0);
    }
}
