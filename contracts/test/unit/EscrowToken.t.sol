// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Escrow} from "../../src/Escrow.sol";
import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {HostileToken} from "../support/HostileToken.sol";
import {Kind, Message, RelayTest} from "../support/RelayTest.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

/// @notice A token that an upgrade has changed: it brings or sends other amounts, lies about
/// balances, calls back.
contract EscrowTokenTest is RelayTest {
    /// @dev What the token itself has in the escrow, so that it has something to call back for.
    uint256 private constant OF_TOKEN = 50;
    uint256 private constant FREE = 1000;
    uint256 private constant EARNED = 30 * uint256(PRICE);

    HostileToken private _token;

    function setUp() public override {
        super.setUp();
        _token = new HostileToken();
        escrow = new Escrow(_token, THAWING_PERIOD);
        fund(address(_token), OF_TOKEN);
        fund(payer.addr, FREE + EARNED);
        allow(PRICE, 30, address(0));
        vm.startPrank(provider);
        escrow.setOperator(operator, type(uint48).max, 0);
        escrow.consume(rows(permitOf(30), 30, PRICE));
        vm.stopPrank();
        _token.mint(payer.addr, FREE);
    }

    /* IN */

    function test_a_token_that_brings_another_amount_reverts_every_deposit() public {
        int256[4] memory skews = [int256(1), -1, 100, -100];
        for (uint256 i = 0; i < skews.length; ++i) {
            _token.skew(0, skews[i]);
            uint256 brought = uint256(100 + skews[i]);
            bytes memory refusal =
                abi.encodeWithSelector(IEscrow.DepositMismatch.selector, brought, 100);
            vm.prank(payer.addr);
            vm.expectRevert(refusal);
            escrow.deposit(100);
            vm.expectRevert(refusal);
            depositAndAllowOf(100);
        }
        assertNothingMoved();
    }

    function test_a_deposit_of_nothing_that_brings_something_reverts() public {
        _token.skew(0, 1);
        vm.prank(payer.addr);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.DepositMismatch.selector, 1, 0));
        escrow.deposit(0);
    }

    /// @dev A fee on top is between token and payer.
    function test_a_fee_that_the_payer_pays_on_top_of_a_deposit_is_its_own_matter() public {
        _token.skew(-1, 0);
        deposit(100);
        assertEq(free(), FREE + 100);
        assertEq(_token.balanceOf(payer.addr), FREE - 101);
    }

    function test_a_deposit_that_takes_tokens_away_reverts() public {
        _token.skew(0, -101);
        vm.prank(payer.addr);
        vm.expectRevert();
        escrow.deposit(100);
    }

    /* OUT */

    function test_a_payout_that_the_token_shortens_fails_clearly_and_moves_nothing() public {
        _token.skew(0, -1);
        expectNoPayout(100, 99);
    }

    function test_a_payout_that_brings_the_recipient_more_fails() public {
        _token.skew(0, 1);
        expectNoPayout(100, 101);
    }

    /// @dev A fee on top of a payout would be other people's money.
    function test_a_payout_that_costs_the_escrow_more_fails() public {
        _token.skew(-1, 0);
        expectNoPayout(101, 100);
    }

    function test_a_payout_that_costs_the_escrow_less_fails() public {
        _token.skew(1, 0);
        expectNoPayout(99, 100);
    }

    function test_a_payout_that_moves_tokens_the_other_way_fails() public {
        _token.skew(101, 0);
        vm.expectPartialRevert(IEscrow.PayoutMismatch.selector);
        vm.prank(payer.addr);
        escrow.withdraw(100, payer.addr);
        assertNothingMoved();
    }

    function test_a_payout_is_measured_from_what_the_recipient_had() public {
        address to = makeAddr("empty-handed");
        vm.startPrank(payer.addr);
        escrow.withdraw(100, to);
        escrow.withdraw(100, to);
        assertEq(_token.balanceOf(to), 200);
    }

    function test_accounting_goes_on_while_the_token_fails() public {
        fund(payer.addr, uint256(PRICE));
        allow(PRICE, 1, address(0));
        _token.fail(true);
        consume(PRICE, permitOf(31));
        vm.prank(provider);
        escrow.refund(payer.addr, LANE, EARNED);
        assertEq(free(), FREE + EARNED);
    }

    function test_a_token_that_returns_false_moves_nothing() public {
        _token.fail(true);
        vm.startPrank(payer.addr);
        vm.expectRevert();
        escrow.deposit(1);
        vm.expectRevert();
        escrow.withdraw(100, payer.addr);
        vm.stopPrank();
        vm.prank(provider);
        vm.expectRevert();
        escrow.collect(provider);
        assertNothingMoved();
    }

    /* BALANCES */

    function test_a_token_that_says_nothing_changed_moves_nothing() public {
        _token.answerBalances(abi.encode(5000));
        vm.startPrank(payer.addr);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.DepositMismatch.selector, 0, 100));
        escrow.deposit(100);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.PayoutMismatch.selector, 0, 0, 100));
        escrow.withdraw(100, payer.addr);
        vm.stopPrank();
        _token.answerBalances("");
        assertNothingMoved();
    }

    function test_a_balance_that_is_no_word_is_refused() public {
        bytes[2] memory answers = [bytes(hex"00"), new bytes(31)];
        for (uint256 i = 0; i < answers.length; ++i) {
            _token.answerBalances(answers[i]);
            vm.startPrank(payer.addr);
            vm.expectRevert(bytes(""));
            escrow.deposit(100);
            vm.expectRevert(bytes(""));
            escrow.withdraw(100, payer.addr);
            vm.stopPrank();
        }
    }

    function test_a_balance_with_more_than_a_word_is_read_by_its_first() public {
        _token.answerBalances(abi.encode(7, 8));
        vm.prank(payer.addr);
        escrow.deposit(0);
    }

    function test_an_address_without_a_token_takes_no_deposit() public {
        escrow = new Escrow(_token, THAWING_PERIOD);
        vm.etch(address(_token), "");
        vm.startPrank(payer.addr);
        vm.expectRevert(bytes(""));
        escrow.deposit(0);
        vm.expectRevert(bytes(""));
        escrow.withdraw(0, payer.addr);
    }

    function test_a_token_whose_balances_revert_moves_nothing() public {
        // Code that reverts with a word of data: it must not pass for a balance.
        vm.etch(address(_token), hex"60205ffd");
        vm.startPrank(payer.addr);
        vm.expectRevert(bytes(""));
        escrow.withdraw(0, payer.addr);
    }

    /* CALLS BACK */

    /// @dev A deposit inside a deposit meets the guard; anything else makes the sums of the outer
    /// call differ, and reverts both.
    function test_a_call_back_that_moves_tokens_moves_nothing_more() public {
        bytes[4] memory calls = movingCalls();
        bytes4 guarded = ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector;
        for (uint256 i = 0; i < calls.length; ++i) {
            _token.callDuringTransfer(address(escrow), calls[i]);
            bool isDeposit = i < 2;
            uint256 start = vm.snapshotState();
            vm.prank(payer.addr);
            if (!isDeposit) vm.expectPartialRevert(IEscrow.DepositMismatch.selector);
            escrow.deposit(100);
            if (isDeposit) assertEq(bytes4(_token.answer()), guarded);
            vm.revertToState(start);

            if (!isDeposit) vm.expectPartialRevert(IEscrow.DepositMismatch.selector);
            depositAndAllowOf(100);
            if (isDeposit) assertEq(bytes4(_token.answer()), guarded);
            vm.revertToState(start);

            vm.prank(payer.addr);
            vm.expectPartialRevert(IEscrow.PayoutMismatch.selector);
            escrow.withdraw(100, payer.addr);
            vm.prank(provider);
            vm.expectPartialRevert(IEscrow.PayoutMismatch.selector);
            escrow.collect(provider);
            assertNothingMoved();
        }
    }

    /// @dev Calls that move no tokens need no guard: whatever they see is already final.
    function test_a_call_back_into_the_accounting_sees_what_is_final() public {
        bytes memory tooMuch =
            abi.encodeWithSignature("allow(address,uint128,uint128)", provider, 1, OF_TOKEN + 1);
        _token.callDuringTransfer(address(escrow), tooMuch);
        vm.prank(payer.addr);
        escrow.withdraw(60, payer.addr);
        assertEq(bytes4(_token.answer()), IEscrow.InsufficientBalance.selector);
        assertEq(free(), FREE - 60);
        assertEq(escrow.balanceOf(address(_token)), OF_TOKEN);
    }

    /* STEPS */

    function fund(address account, uint256 amount) private {
        _token.mint(account, amount);
        vm.startPrank(account);
        _token.approve(address(escrow), type(uint256).max);
        escrow.deposit(amount);
        vm.stopPrank();
    }

    function depositAndAllowOf(uint256 amount) private {
        escrow.depositAndAllow(
            payer.addr, amount, 0, type(uint256).max, provider, 1, 100, address(0), 0, ""
        );
    }

    /// @dev What the token would call back, each good on its own: see that it is.
    function movingCalls() private returns (bytes[4] memory calls) {
        calls = [
            abi.encodeCall(IEscrow.deposit, (1)),
            abi.encodeCall(
                IEscrow.depositAndAllow,
                (address(_token), 1, 0, type(uint256).max, provider, 0, 1, address(0), 0, "")
            ),
            abi.encodeCall(IEscrow.withdraw, (1, address(_token))),
            abi.encodeCall(IEscrow.withdraw, (1, thief))
        ];
        _token.mint(address(_token), 2);
        for (uint256 i = 0; i < calls.length; ++i) {
            uint256 start = vm.snapshotState();
            vm.prank(address(_token));
            (bool success,) = address(escrow).call(calls[i]);
            assertTrue(success);
            vm.revertToState(start);
        }
    }

    /// @dev Every way out fails, with the amounts that a payout of 100 would have come to.
    function expectNoPayout(uint256 left, uint256 received) private {
        vm.prank(payer.addr);
        vm.expectRevert(mismatch(left, received, 100));
        escrow.withdraw(100, payer.addr);

        Message memory message = messageOf(Kind.Withdraw);
        message.amount = 100;
        message = signed(message, payer);
        vm.expectRevert(mismatch(left, received, 100));
        relay(message, FEE_MAX, relayer);
        assertEq(escrow.nonces(payer.addr), 0);

        vm.prank(provider);
        vm.expectRevert(mismatch(EARNED + left - 100, EARNED + received - 100, EARNED));
        escrow.collect(provider);
        assertNothingMoved();
    }

    function mismatch(uint256 left, uint256 received, uint256 expected)
        private
        pure
        returns (bytes memory)
    {
        return abi.encodeWithSelector(IEscrow.PayoutMismatch.selector, left, received, expected);
    }

    function assertNothingMoved() private view {
        assertEq(free(), FREE);
        assertEq(earned(), EARNED);
        assertEq(escrow.balanceOf(address(_token)), OF_TOKEN);
        assertEq(_token.balanceOf(address(escrow)), FREE + EARNED + OF_TOKEN);
        assertEq(_token.balanceOf(payer.addr), FREE);
    }
}
