// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Allowance, Authorization, Charge, Permit} from "./EscrowTypes.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title Escrow
/// @notice Holds a payer's USDC per provider, so that a provider can serve thousands of requests
/// against signatures alone and settle them later in one transaction. Nobody administers it.
///
/// A payer's token is in exactly one of three places: its free balance (`balanceOf`), locked for
/// one provider (`credits * pricePerCredit`), or a provider's earnings (`earned`).
///
/// Taking locked credits back takes THAWING_PERIOD from a RevokeStarted event on: the provider's
/// time to settle what it served. Until then credits, price and signer can't change to its
/// disadvantage. Once the credits are used up nothing served is left unsettled, and the terms of
/// the next `allow` are free.
///
/// Permits outlive allowances: one that still has credits and time left is good again once the
/// payer allows the same provider with the same signer again. Another signer voids them, and so
/// does a new epoch, which comes a thawing period after the payer asked for it (`bumpEpoch`), so
/// that the provider can settle what it served for them. Lane counters go on.
///
/// Whatever lets a payer out (`revoke`, `bumpEpoch`, `reclaim`, `withdraw`) it may also sign as an
/// EIP-712 message for anybody to send (`revokeFor` and alike), so that it needs no ETH. A relayer
/// can change nothing, repeat nothing, send nothing after the deadline and take no more than the
/// signed fee.
interface IEscrow {
    /* ERRORS */

    /// @notice The thawing period must be between an hour and 30 days.
    error InvalidThawingPeriod(uint64 period);
    /// @notice Zero, or the escrow itself: tokens sent there would be lost.
    error InvalidRecipient(address to);
    /// @notice The zero address can't be a provider.
    error InvalidProvider();
    /// @notice The token moved another amount than it was asked to.
    error DepositMismatch(uint256 received, uint256 expected);
    /// @notice The escrow takes no more than 2^128 - 1 token base units.
    error EscrowFull(uint256 holds);
    /// @notice The token took `left` from the escrow and gave `received` to the recipient.
    error PayoutMismatch(uint256 left, uint256 received, uint256 expected);
    /// @notice The free balance does not cover it.
    error InsufficientBalance(uint256 available, uint256 required);
    /// @notice An allowance or a revocation of nothing.
    error ZeroCredits();
    /// @notice While credits are left, price and credits only rise; `revoke` lowers credits.
    error AllowanceDecrease(uint128 pricePerCredit, uint128 credits);
    /// @notice While credits are left, the signer is fixed.
    error SignerLocked(address signer);
    /// @notice There are no credits to take back.
    error NothingThawing();
    /// @notice The thawing period is not over.
    error StillThawing(uint64 thawEnd);
    /// @notice A bump of the epoch is pending already.
    error EpochPending(uint64 epochEnd);
    /// @notice The message's deadline has passed.
    error AuthorizationExpired(uint64 deadline);
    /// @notice Not the payer's signature over this message, chain and escrow.
    error InvalidAuthorization();
    /// @notice The relayer asks for more than the payer signed.
    error FeeTooHigh(uint256 fee, uint256 feeMax);
    /// @notice The caller is neither this provider nor its operator.
    error NotOperator(address provider, address caller);
    /// @notice An operator can't be named for a time that has passed.
    error ExpiryPassed(uint48 expiry);
    /// @notice The provider's earnings go to this address alone.
    error WrongCollector(address collector);
    /// @notice The provider has fewer uncollected earnings.
    error InsufficientEarnings(uint256 available, uint256 required);
    /// @notice No more was charged on the lane, or it was refunded already.
    error RefundTooHigh(uint256 paid, uint256 required);

    /// @notice The permit's deadline has passed.
    error PermitExpired();
    /// @notice The lane's counter would pass the permit's credits.
    error PermitExceeded();
    /// @notice The lane's counter is there already: nothing to charge. In a batch this is how a
    /// repeated row shows.
    error AlreadyCharged();
    /// @notice The price is above the permit's or the allowance's.
    error PriceTooHigh();
    /// @notice The allowance has fewer credits left.
    error InsufficientCredits();
    /// @notice The payer took the permit's epoch back, or has not begun it.
    error WrongEpoch();
    /// @notice The operator has settled its daily cap; the provider itself may go on.
    error DailyCapReached();
    /// @notice Not a signature of the allowance's signer over this permit, chain and escrow.
    error InvalidSignature();

    /* EVENTS */

    /// @notice A payer's free balance rose by a deposit.
    event Deposited(address indexed payer, uint256 amount);
    /// @notice A payer's free balance left the escrow.
    event Withdrawn(address indexed payer, address indexed to, uint256 amount);
    /// @notice What the allowance is now; nothing thaws any more.
    event Allowed(
        address indexed payer,
        address indexed provider,
        uint128 pricePerCredit,
        uint128 credits,
        address signer
    );
    /// @notice The provider has until `thawEnd` to settle what it served against these credits.
    event RevokeStarted(
        address indexed payer, address indexed provider, uint128 thawingCredits, uint64 thawEnd
    );
    /// @notice Thawed credits went back to the payer's free balance.
    event Reclaimed(
        address indexed payer, address indexed provider, uint128 credits, uint256 amount
    );
    /// @notice Permits of the epochs before `epoch` are void from `epochEnd` on.
    event EpochBumped(
        address indexed payer, address indexed provider, uint32 epoch, uint64 epochEnd
    );
    /// @notice A payer's message was sent by `relayer` or for it, and cost the payer `fee`.
    event Relayed(address indexed payer, address indexed relayer, uint256 nonce, uint256 fee);
    /// @notice `credits` new credits were charged at `price` each; `cumulative` is the lane's
    /// counter.
    event Charged(
        address indexed payer,
        address indexed provider,
        bytes32 indexed lane,
        uint256 credits,
        uint256 cumulative,
        uint256 price
    );
    /// @notice A row of a batch did not fit; `reason` is the selector of the error that `consume`
    /// of a single permit would revert with, `credits` the cumulative count that the row asked for.
    event ChargeSkipped(
        address indexed payer,
        address indexed provider,
        bytes32 indexed lane,
        uint256 credits,
        bytes4 reason
    );
    /// @notice A provider's earnings left the escrow.
    event Collected(address indexed provider, address indexed to, uint256 amount);
    /// @notice A provider gave earnings from a lane back to its payer's free balance.
    event Refunded(
        address indexed provider, address indexed payer, bytes32 indexed lane, uint256 amount
    );
    /// @notice From `since` on the provider's earnings go to `collector` alone; to whomever it
    /// says, when that is zero.
    event CollectorSet(address indexed provider, address indexed collector, uint64 since);
    /// @notice `operator` may settle until `expiry`, up to `dailyCap` a day (zero: no cap).
    event OperatorSet(
        address indexed provider, address indexed operator, uint48 expiry, uint88 dailyCap
    );

    /* PAYER */

    /// @notice Takes `amount` from the caller (who approved it) into its free balance.
    /// @dev Reverts with DepositMismatch when the token brings another amount, more or less; with
    /// EscrowFull beyond 2^128 - 1.
    function deposit(uint256 amount) external;

    /// @notice `deposit` and `allow` for a payer without ETH: anyone may send it, nobody can change
    /// it. The payer signs one EIP-3009 ReceiveWithAuthorization for the token, to this escrow,
    /// with `nonce = keccak256(abi.encode(DEPOSIT_AND_ALLOW_TYPEHASH, payer, amount, validAfter,
    /// validBefore, provider, pricePerCredit, credits, signer, salt))`, so that the signature
    /// covers the allowance too. Like `allow` it cancels a pending revoke: keep `validBefore` near.
    /// @param payer Who signed, pays and allows.
    /// @param amount Token base units.
    /// @param validAfter Unix seconds, EIP-3009.
    /// @param validBefore Unix seconds, EIP-3009.
    /// @param provider As for `allow`.
    /// @param pricePerCredit As for `allow`.
    /// @param credits As for `allow`.
    /// @param signer As for `allow`.
    /// @param salt Makes two otherwise equal calls distinct.
    /// @param signature The payer's, in the form that the token takes.
    function depositAndAllow(
        address payer,
        uint256 amount,
        uint256 validAfter,
        uint256 validBefore,
        address provider,
        uint128 pricePerCredit,
        uint128 credits,
        address signer,
        bytes32 salt,
        bytes calldata signature
    ) external;

    /// @notice Sends `amount` of the caller's free balance to `to`, at once.
    /// @dev Reverts with PayoutMismatch when the token moves another amount.
    function withdraw(uint256 amount, address to) external;

    /// @notice `allow(provider, pricePerCredit, credits, address(0))`: the payer signs permits
    /// itself.
    function allow(address provider, uint128 pricePerCredit, uint128 credits) external;

    /// @notice Sees to it that `provider` has `credits` credits left at `pricePerCredit` each, and
    /// locks what is missing out of the caller's free balance; so a repeated call locks only what
    /// was charged in between. Cancels a pending revoke. While credits are left, price and credits
    /// only rise (AllowanceDecrease) and the signer is fixed (SignerLocked).
    /// @param provider Who may charge; not zero.
    /// @param pricePerCredit Highest price of a credit, token base units; zero locks nothing.
    /// @param credits At least one.
    /// @param signer The EOA whose permits count; zero or the caller for the caller itself. A
    /// contract wallet has to name one: only ECDSA counts, whatever code the address carries.
    function allow(address provider, uint128 pricePerCredit, uint128 credits, address signer)
        external;

    /// @notice Starts to take back `credits` credits (or all, if fewer are left) in place of any
    /// earlier revoke, whose time starts again.
    function revoke(address provider, uint128 credits) external;

    /// @notice Takes the caller's permits for `provider` back: those of the epoch in force are void
    /// a thawing period from now, and permits of the next epoch count already. Reverts with
    /// EpochPending until an earlier bump has taken effect.
    function bumpEpoch(address provider) external;

    /// @notice Moves what has thawed, and was not charged meanwhile, to the caller's free balance.
    function reclaim(address provider) external;

    /* PAYER WITHOUT ETH */

    /// @notice `revoke` by the payer's message `Revoke(address payer,address provider,`
    /// `uint128 credits,uint256 feeMax,uint256 nonce,uint64 deadline)`. Anyone may send it.
    /// @param fee At most `by.feeMax`; moves from the payer's free balance to the relayer's.
    /// @param relayer Who gets the fee.
    function revokeFor(
        address payer,
        address provider,
        uint128 credits,
        Authorization calldata by,
        uint256 fee,
        address relayer
    ) external;

    /// @notice `bumpEpoch` by the payer's message `BumpEpoch(address payer,address provider,`
    /// `uint256 feeMax,uint256 nonce,uint64 deadline)`. Anyone may send it.
    /// @param fee As for `revokeFor`.
    /// @param relayer As for `revokeFor`.
    function bumpEpochFor(
        address payer,
        address provider,
        Authorization calldata by,
        uint256 fee,
        address relayer
    ) external;

    /// @notice `reclaim` by the payer's message `Reclaim(address payer,address provider,`
    /// `uint256 feeMax,uint256 nonce,uint64 deadline)`. Anyone may send it.
    /// @param fee As for `revokeFor`; what is reclaimed may pay it.
    /// @param relayer As for `revokeFor`.
    function reclaimFor(
        address payer,
        address provider,
        Authorization calldata by,
        uint256 fee,
        address relayer
    ) external;

    /// @notice `withdraw` by the payer's message `Withdraw(address payer,uint256 amount,address
    /// to,` `uint256 feeMax,uint256 nonce,uint64 deadline)`. Anyone may send it. The fee comes on
    /// top.
    /// @param fee As for `revokeFor`.
    /// @param relayer As for `revokeFor`.
    function withdrawFor(
        address payer,
        uint256 amount,
        address to,
        Authorization calldata by,
        uint256 fee,
        address relayer
    ) external;

    /* PROVIDER */

    /// @notice Charges one credit on the permit's lane at `price`; reverts when it does not fit.
    /// By the provider or its operator. Not idempotent.
    /// @param price At most the permit's and the allowance's; what it is below the allowed price
    /// returns to the payer's free balance.
    /// @param permit What the payer signed.
    function consume(uint256 price, Permit calldata permit) external;

    /// @notice Charges many rows, each up to a cumulative count, so that the same rows twice charge
    /// once. Every row gives one event: Charged, or ChargeSkipped with the reason. Rows of one
    /// payer and provider cost least side by side.
    /// @dev Reverts with NotOperator if any row is another provider's: then the caller is at fault.
    /// @return amount What the providers earned, token base units.
    function consume(Charge[] calldata charges) external returns (uint256 amount);

    /// @notice Sends all of the caller's earnings to `to`. The provider's own key only; to the
    /// collector only (WrongCollector), where the provider has named one.
    function collect(address to) external;

    /// @notice Gives uncollected earnings from a lane back to its payer's free balance. The
    /// provider's own key only, and never more than was charged on the lane and not refunded, so
    /// that this way no earnings reach anybody but who paid them. The lane's counter stays.
    /// @param amount Token base units.
    function refund(address payer, bytes32 lane, uint256 amount) external;

    /// @notice From now on the caller's earnings go to `collector` alone. Where there is one, the
    /// change takes COLLECTOR_DELAY, in which they still go to the earlier one: who steals the
    /// provider's key cannot take its earnings before the provider has seen it and collected.
    /// Naming the one in force again cancels a pending change; zero lets `collect` send anywhere
    /// again.
    function setCollector(address collector) external;

    /// @notice Lets `operator` settle for the caller, never collect or refund.
    /// @param expiry Unix seconds from which it no longer may; zero dismisses it now.
    /// @param dailyCap The most that it may settle in one day of UTC, token base units; zero is no
    /// cap. Rows beyond it are skipped (DailyCapReached).
    function setOperator(address operator, uint48 expiry, uint88 dailyCap) external;

    /* VIEWS */

    /// @notice `allowance(payer, msg.sender)`.
    function allowance(address payer) external view returns (Allowance memory);

    /// @notice What `payer` has set aside for `provider`.
    function allowance(address payer, address provider) external view returns (Allowance memory);

    /// @notice The lane's counter: credits ever charged on it.
    function consumed(address payer, address provider, bytes32 lane) external view returns (uint256);

    /// @notice What was charged on the lane and not refunded, token base units.
    function paid(address payer, address provider, bytes32 lane) external view returns (uint256);

    /// @notice A payer's free balance, token base units.
    function balanceOf(address payer) external view returns (uint256);

    /// @notice What a provider may collect, token base units.
    function earned(address provider) external view returns (uint256);

    /// @notice Whether `operator` may settle for `provider` now; the provider always may.
    function isOperator(address provider, address operator) external view returns (bool);

    /// @notice What `setOperator` set, and what the operator has settled today.
    /// @return expiry Unix seconds; zero when it was never named or is dismissed.
    /// @return dailyCap Token base units; zero is no cap.
    /// @return spent Token base units settled in the present day of UTC; counted only under a cap.
    function operatorLimits(address provider, address operator)
        external
        view
        returns (uint48 expiry, uint88 dailyCap, uint88 spent);

    /// @notice Who alone gets the provider's earnings; zero when anybody may.
    /// @return collector The one in force.
    /// @return next Who follows it, where a change is pending.
    /// @return since When the change takes effect, Unix seconds; zero when none is pending.
    function collectorOf(address provider)
        external
        view
        returns (address collector, address next, uint64 since);

    /// @notice The nonce of the payer's next message.
    function nonces(address payer) external view returns (uint256);

    /// @notice The token, for ever.
    function token() external view returns (IERC20);

    /// @notice Seconds from `revoke` to `reclaim`, for ever.
    function THAWING_PERIOD() external view returns (uint64);

    /// @notice Seconds until another collector takes effect.
    function COLLECTOR_DELAY() external view returns (uint64);

    /// @notice EIP-712 type hash of a permit.
    function PERMIT_TYPEHASH() external view returns (bytes32);

    /// @notice EIP-712 type hash that begins the nonce of `depositAndAllow`.
    function DEPOSIT_AND_ALLOW_TYPEHASH() external view returns (bytes32);
}
