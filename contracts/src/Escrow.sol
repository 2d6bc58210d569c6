// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Allowance, Authorization, Charge, IEscrow, Permit} from "./interfaces/IEscrow.sol";
import {Accounting} from "./libraries/Accounting.sol";
import {ExactTransfer} from "./libraries/ExactTransfer.sol";
import {Lane, Lanes} from "./libraries/Lanes.sol";
import {Messages} from "./libraries/Messages.sol";
import {Permits} from "./libraries/Permits.sol";
import {Signatures} from "./libraries/Signatures.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

/// @title Escrow
contract Escrow is IEscrow, EIP712, Nonces, ReentrancyGuardTransient {
    using ExactTransfer for IERC20;
    using Signatures for bytes;

    /// @dev What an operator may do, in one slot. `spent` counts in `day`, days since 1970.
    struct Operator {
        uint48 expiry;
        uint32 day;
        uint88 dailyCap;
        uint88 spent;
    }

    /// @dev What a provider may collect, and, in the same slot, whether it ever named a collector.
    struct Earnings {
        uint128 amount;
        bool hasCollector;
    }

    /// @dev Who gets a provider's earnings; from `since` on, unless that is zero, `next`.
    struct Collector {
        address current;
        uint64 since;
        address next;
    }

    /// @dev One payer's allowance for one provider while rows are charged against it: read once,
    /// written once, however many rows there are.
    struct Tab {
        address payer;
        address provider;
        address signer;
        uint32 epoch;
        uint32 lastEpoch;
        uint256 pricePerCredit;
        uint256 credits;
        uint256 used;
        uint256 earned;
        uint256 room;
    }

    /* CONSTANTS */

    uint64 private constant THAWING_PERIOD_MIN = 1 hours;
    uint64 private constant THAWING_PERIOD_MAX = 30 days;

    /// @inheritdoc IEscrow
    uint64 public constant COLLECTOR_DELAY = 3 days;

    /// @inheritdoc IEscrow
    bytes32 public constant PERMIT_TYPEHASH = Permits.TYPEHASH;

    /// @inheritdoc IEscrow
    bytes32 public constant DEPOSIT_AND_ALLOW_TYPEHASH = keccak256(
        "DepositAndAllow(address payer,uint256 amount,uint256 validAfter,uint256 validBefore,"
        "address provider,uint128 pricePerCredit,uint128 credits,address signer,bytes32 salt)"
    );

    /* IMMUTABLES */

    /// @inheritdoc IEscrow
    IERC20 public immutable token;
    /// @inheritdoc IEscrow
    uint64 public immutable THAWING_PERIOD;

    /* STORAGE */

    /// @inheritdoc IEscrow
    mapping(address payer => uint256) public balanceOf;
    mapping(address provider => mapping(address operator => Operator)) private _operators;
    mapping(address provider => Earnings) private _earnings;
    mapping(address provider => Collector) private _collectors;
    mapping(address payer => mapping(address provider => mapping(bytes32 lane => Lane))) private
        _lanes;
    /// @dev `thawingCredits`, `epoch` and `epochEnd` as they were last written: `allowance` brings
    /// them up to date.
    mapping(address payer => mapping(address provider => Allowance)) private _allowances;

    constructor(IERC20 token_, uint64 thawingPeriod) EIP712("Khachapuri Escrow", "1") {
        if (thawingPeriod < THAWING_PERIOD_MIN || thawingPeriod > THAWING_PERIOD_MAX) {
            revert InvalidThawingPeriod(thawingPeriod);
        }
        token = token_;
        THAWING_PERIOD = thawingPeriod;
    }

    /* PAYER */

    /// @inheritdoc IEscrow
    function deposit(uint256 amount) external nonReentrant {
        token.pull(msg.sender, amount);
        balanceOf[msg.sender] += amount;
        emit Deposited(msg.sender, amount);
    }

    /// @inheritdoc IEscrow
    function depositAndAllow(
        address payer,
        uint256 amount,
        uint256 validAfter,
        uint256 validBefore,
        address provider,
        uint128 pricePerCredit,
        uint128 credits,
        address signer,
        bytes32, /* salt */
        bytes calldata signature
    ) external nonReentrant {
        // The nine parameters before `signature` as they stand in the calldata, which is their ABI
        // encoding: none can be left unsigned, `salt` included.
        bytes32 nonce = keccak256(bytes.concat(DEPOSIT_AND_ALLOW_TYPEHASH, msg.data[4:4 + 9 * 32]));
        token.pullAuthorized(payer, amount, validAfter, validBefore, nonce, signature);
        balanceOf[payer] += amount;
        emit Deposited(payer, amount);
        _allow(payer, provider, pricePerCredit, credits, signer);
    }

    /// @inheritdoc IEscrow
    function withdraw(uint256 amount, address to) external {
        _withdraw(msg.sender, amount, to);
    }

    /// @inheritdoc IEscrow
    function allow(address provider, uint128 pricePerCredit, uint128 credits) external {
        _allow(msg.sender, provider, pricePerCredit, credits, address(0));
    }

    /// @inheritdoc IEscrow
    function allow(address provider, uint128 pricePerCredit, uint128 credits, address signer)
        external
    {
        _allow(msg.sender, provider, pricePerCredit, credits, signer);
    }

    /// @inheritdoc IEscrow
    function revoke(address provider, uint128 credits) external {
        _revoke(msg.sender, provider, credits);
    }

    /// @inheritdoc IEscrow
    function bumpEpoch(address provider) external {
        _bumpEpoch(msg.sender, provider);
    }

    /// @inheritdoc IEscrow
    function reclaim(address provider) external {
        _reclaim(msg.sender, provider);
    }

    /* PAYER WITHOUT ETH */

    /// @inheritdoc IEscrow
    function revokeFor(
        address payer,
        address provider,
        uint128 credits,
        Authorization calldata by,
        uint256 fee,
        address relayer
    ) external {
        _authorize(payer, Messages.revokeHash(payer, provider, credits, by), by);
        _revoke(payer, provider, credits);
        _payRelayer(payer, by, fee, relayer);
    }

    /// @inheritdoc IEscrow
    function bumpEpochFor(
        address payer,
        address provider,
        Authorization calldata by,
        uint256 fee,
        address relayer
    ) external {
        _authorize(payer, Messages.bumpEpochHash(payer, provider, by), by);
        _bumpEpoch(payer, provider);
        _payRelayer(payer, by, fee, relayer);
    }

    /// @inheritdoc IEscrow
    function reclaimFor(
        address payer,
        address provider,
        Authorization calldata by,
        uint256 fee,
        address relayer
    ) external {
        _authorize(payer, Messages.reclaimHash(payer, provider, by), by);
        _reclaim(payer, provider);
        _payRelayer(payer, by, fee, relayer);
    }

    /// @inheritdoc IEscrow
    function withdrawFor(
        address payer,
        uint256 amount,
        address to,
        Authorization calldata by,
        uint256 fee,
        address relayer
    ) external {
        _authorize(payer, Messages.withdrawHash(payer, amount, to, by), by);
        _payRelayer(payer, by, fee, relayer);
        _withdraw(payer, amount, to);
    }

    /* PROVIDER */

    /// @inheritdoc IEscrow
    function consume(uint256 price, Permit calldata permit) external {
        Tab memory tab = _open(permit.payer, permit.provider);
        uint256 next = consumed(permit.payer, permit.provider, permit.lane) + 1;
        bytes4 refusal = _charge(tab, permit, next, price);
        if (refusal != 0) _revertWith(refusal);
        _close(tab);
    }

    /// @inheritdoc IEscrow
    function consume(Charge[] calldata charges) external returns (uint256 amount) {
        Tab memory tab;
        for (uint256 i = 0; i < charges.length; ++i) {
            Charge calldata row = charges[i];
            Permit calldata permit = row.permit;
            if (i == 0 || permit.payer != tab.payer || permit.provider != tab.provider) {
                amount += _close(tab);
                tab = _open(permit.payer, permit.provider);
            }
            bytes4 refusal = _charge(tab, permit, row.credits, row.price);
            if (refusal != 0) {
                emit ChargeSkipped(tab.payer, tab.provider, permit.lane, row.credits, refusal);
            }
        }
        amount += _close(tab);
    }

    /// @inheritdoc IEscrow
    function collect(address to) external {
        _requireRecipient(to);
        Earnings storage earnings = _earnings[msg.sender];
        uint256 amount = earnings.amount;
        if (earnings.hasCollector) _requireCollector(msg.sender, to);
        earnings.amount = 0;
        emit Collected(msg.sender, to, amount);
        token.push(to, amount);
    }

    /// @inheritdoc IEscrow
    function refund(address payer, bytes32 lane, uint256 amount) external {
        Lane charged = _lanes[payer][msg.sender][lane];
        if (amount > charged.paid()) revert RefundTooHigh(charged.paid(), amount);
        uint128 available = _earnings[msg.sender].amount;
        if (amount > available) revert InsufficientEarnings(available, amount);
        // Safe: at most `paid`, which is a uint128.
        // forge-lint: disable-next-line(unsafe-typecast)
        uint128 given = uint128(amount);
        _lanes[payer][msg.sender][lane] = Lanes.pack(charged.consumed(), charged.paid() - given);
        _earnings[msg.sender].amount = available - given;
        balanceOf[payer] += amount;
        emit Refunded(msg.sender, payer, lane, amount);
    }

    /// @inheritdoc IEscrow
    function setCollector(address collector) external {
        if (collector == address(this)) revert InvalidRecipient(collector);
        (address current,,) = collectorOf(msg.sender);
        bool isImmediate = current == address(0) || collector == current;
        uint64 since = uint64(block.timestamp) + (isImmediate ? 0 : COLLECTOR_DELAY);
        _collectors[msg.sender] = isImmediate
            ? Collector(collector, 0, address(0))
            : Collector(current, since, collector);
        _earnings[msg.sender].hasCollector = true;
        emit CollectorSet(msg.sender, collector, since);
    }

    /// @inheritdoc IEscrow
    function setOperator(address operator, uint48 expiry, uint88 dailyCap) external {
        if (expiry != 0 && expiry <= block.timestamp) revert ExpiryPassed(expiry);
        Operator storage named = _operators[msg.sender][operator];
        (named.expiry, named.dailyCap) = (expiry, dailyCap);
        emit OperatorSet(msg.sender, operator, expiry, dailyCap);
    }

    /* VIEWS */

    /// @inheritdoc IEscrow
    function allowance(address payer) external view returns (Allowance memory) {
        return allowance(payer, msg.sender);
    }

    /// @inheritdoc IEscrow
    function allowance(address payer, address provider)
        public
        view
        returns (Allowance memory held)
    {
        held = _allowances[payer][provider];
        // Charges leave the thawing part as it was stored, to save a write: it is capped here.
        held.thawingCredits = Accounting.thawingOf(held.thawingCredits, held.credits);
        if (held.thawingCredits == 0) held.thawEnd = 0;
        // Nobody writes when an epoch ends.
        uint32 last;
        (held.epoch, last) = Accounting.epochsAt(held.epoch, held.epochEnd, block.timestamp);
        if (held.epoch == last) held.epochEnd = 0;
    }

    /// @inheritdoc IEscrow
    function earned(address provider) external view returns (uint256) {
        return _earnings[provider].amount;
    }

    /// @inheritdoc IEscrow
    function consumed(address payer, address provider, bytes32 lane) public view returns (uint256) {
        return _lanes[payer][provider][lane].consumed();
    }

    /// @inheritdoc IEscrow
    function paid(address payer, address provider, bytes32 lane) external view returns (uint256) {
        return _lanes[payer][provider][lane].paid();
    }

    /// @inheritdoc IEscrow
    function isOperator(address provider, address operator) public view returns (bool) {
        return operator == provider || block.timestamp < _operators[provider][operator].expiry;
    }

    /// @inheritdoc IEscrow
    function operatorLimits(address provider, address operator)
        public
        view
        returns (uint48 expiry, uint88 dailyCap, uint88 spent)
    {
        Operator storage named = _operators[provider][operator];
        return (named.expiry, named.dailyCap, named.day == _today() ? named.spent : 0);
    }

    /// @inheritdoc IEscrow
    function collectorOf(address provider)
        public
        view
        returns (address collector, address next, uint64 since)
    {
        Collector storage named = _collectors[provider];
        (collector, since) = (named.current, named.since);
        if (since == 0) return (collector, address(0), 0);
        next = named.next;
        if (block.timestamp >= since) return (next, address(0), 0);
    }

    /// @inheritdoc IEscrow
    function nonces(address payer) public view override(IEscrow, Nonces) returns (uint256) {
        return super.nonces(payer);
    }

    /* MESSAGES */

    /// @dev That `payer` itself signed this, for now and for once.
    function _authorize(address payer, bytes32 structHash, Authorization calldata by) private {
        if (block.timestamp > by.deadline) revert AuthorizationExpired(by.deadline);
        if (!by.signature.isBy(payer, _hashTypedDataV4(structHash))) revert InvalidAuthorization();
        _useCheckedNonce(payer, by.nonce);
    }

    function _payRelayer(address payer, Authorization calldata by, uint256 fee, address relayer)
        private
    {
        if (fee > by.feeMax) revert FeeTooHigh(fee, by.feeMax);
        if (fee != 0) {
            _requireRecipient(relayer);
            _debit(payer, fee);
            balanceOf[relayer] += fee;
        }
        emit Relayed(payer, relayer, by.nonce, fee);
    }

    /* BALANCES */

    function _debit(address payer, uint256 amount) private {
        uint256 available = balanceOf[payer];
        if (amount > available) revert InsufficientBalance(available, amount);
        unchecked {
            balanceOf[payer] = available - amount;
        }
    }

    function _withdraw(address payer, uint256 amount, address to) private {
        _requireRecipient(to);
        _debit(payer, amount);
        emit Withdrawn(payer, to, amount);
        token.push(to, amount);
    }

    function _requireCollector(address provider, address to) private view {
        (address collector,,) = collectorOf(provider);
        if (collector != address(0) && to != collector) revert WrongCollector(collector);
    }

    function _requireRecipient(address to) private view {
        if (to == address(0) || to == address(this)) revert InvalidRecipient(to);
    }

    /* ALLOWANCES */

    function _allow(
        address payer,
        address provider,
        uint128 pricePerCredit,
        uint128 credits,
        address signer
    ) private {
        if (provider == address(0)) revert InvalidProvider();
        if (credits == 0) revert ZeroCredits();
        if (signer == payer) signer = address(0);
        Allowance storage held = _allowances[payer][provider];
        (uint128 lockedPrice, uint128 lockedCredits) = (held.pricePerCredit, held.credits);
        if (lockedCredits != 0) {
            if (pricePerCredit < lockedPrice || credits < lockedCredits) {
                revert AllowanceDecrease(lockedPrice, lockedCredits);
            }
            if (signer != held.signer) revert SignerLocked(held.signer);
        }
        _debit(payer, Accounting.missing(pricePerCredit, credits, lockedPrice, lockedCredits));
        (held.pricePerCredit, held.credits) = (pricePerCredit, credits);
        (held.thawingCredits, held.thawEnd) = (0, 0);
        held.signer = signer;
        emit Allowed(payer, provider, pricePerCredit, credits, signer);
    }

    function _revoke(address payer, address provider, uint128 credits) private {
        Allowance storage held = _allowances[payer][provider];
        uint128 thawing = Accounting.thawingOf(credits, held.credits);
        if (thawing == 0) revert ZeroCredits();
        uint64 thawEnd = _afterNotice();
        (held.thawingCredits, held.thawEnd) = (thawing, thawEnd);
        emit RevokeStarted(payer, provider, thawing, thawEnd);
    }

    function _bumpEpoch(address payer, address provider) private {
        if (provider == address(0)) revert InvalidProvider();
        Allowance memory held = allowance(payer, provider);
        if (held.epochEnd != 0) revert EpochPending(held.epochEnd);
        uint64 epochEnd = _afterNotice();
        Allowance storage stored = _allowances[payer][provider];
        (stored.epoch, stored.epochEnd) = (held.epoch, epochEnd);
        emit EpochBumped(payer, provider, held.epoch + 1, epochEnd);
    }

    function _reclaim(address payer, address provider) private {
        Allowance memory held = allowance(payer, provider);
        if (held.thawingCredits == 0) revert NothingThawing();
        if (block.timestamp < held.thawEnd) revert StillThawing(held.thawEnd);
        uint256 amount = uint256(held.thawingCredits) * held.pricePerCredit;
        Allowance storage stored = _allowances[payer][provider];
        stored.credits = held.credits - held.thawingCredits;
        (stored.thawingCredits, stored.thawEnd) = (0, 0);
        balanceOf[payer] += amount;
        emit Reclaimed(payer, provider, held.thawingCredits, amount);
    }

    /// @dev When what a payer announces now takes effect.
    function _afterNotice() private view returns (uint64) {
        return uint64(block.timestamp) + THAWING_PERIOD;
    }

    /* CHARGES */

    /// @dev Begins a tab; only the provider and its operators may.
    function _open(address payer, address provider) private view returns (Tab memory tab) {
        Allowance storage held = _allowances[payer][provider];
        (tab.payer, tab.provider) = (payer, provider);
        tab.room = _room(provider);
        (tab.pricePerCredit, tab.credits) = (held.pricePerCredit, held.credits);
        tab.signer = held.signer == address(0) ? payer : held.signer;
        (tab.epoch, tab.lastEpoch) = Accounting.epochsAt(held.epoch, held.epochEnd, block.timestamp);
    }

    /// @dev What the caller may still settle for the provider today.
    function _room(address provider) private view returns (uint256) {
        if (msg.sender == provider) return Accounting.UNCAPPED;
        (uint48 expiry, uint88 dailyCap, uint88 spent) = operatorLimits(provider, msg.sender);
        if (block.timestamp >= expiry) revert NotOperator(provider, msg.sender);
        return Accounting.roomOf(dailyCap, spent);
    }

    /// @dev Takes the lane to `cumulative`, the new credits at `price` each, or says why not.
    function _charge(Tab memory tab, Permit calldata permit, uint256 cumulative, uint256 price)
        private
        returns (bytes4 refusal)
    {
        mapping(bytes32 => Lane) storage lanes = _lanes[tab.payer][tab.provider];
        Lane lane = lanes[permit.lane];
        uint256 before = lane.consumed();
        // First, so that a repeated row is known as such even after its permit's deadline.
        if (cumulative <= before) return AlreadyCharged.selector;
        if (block.timestamp > permit.deadline) return PermitExpired.selector;
        if (permit.epoch != tab.epoch && permit.epoch != tab.lastEpoch) return WrongEpoch.selector;
        if (cumulative > permit.credits) return PermitExceeded.selector;
        if (price > permit.price || price > tab.pricePerCredit) return PriceTooHigh.selector;
        uint256 credits = cumulative - before;
        if (credits > tab.credits - tab.used) return InsufficientCredits.selector;
        uint256 amount = credits * price;
        if (tab.earned + amount > tab.room) return DailyCapReached.selector;
        bytes32 digest = _hashTypedDataV4(Permits.structHash(permit));
        if (!permit.signature.isBy(tab.signer, digest)) return InvalidSignature.selector;

        // Safe: at most `permit.credits`, which is a uint128.
        // forge-lint: disable-next-line(unsafe-typecast)
        uint128 count = uint128(cumulative);
        lanes[permit.lane] = Lanes.pack(count, Accounting.addUpTo128(lane.paid(), amount));
        tab.used += credits;
        tab.earned += amount;
        emit Charged(tab.payer, tab.provider, permit.lane, credits, cumulative, price);
    }

    /// @dev Writes what the tab's rows came to. What was charged below the locked price is the
    /// payer's again.
    function _close(Tab memory tab) private returns (uint256 amount) {
        if (tab.used == 0) return 0;
        amount = tab.earned;
        // Safe: at most `tab.credits`, which was a uint128 when the tab was opened.
        // forge-lint: disable-next-line(unsafe-typecast)
        _allowances[tab.payer][tab.provider].credits = uint128(tab.credits - tab.used);
        // Safe: every sum that the escrow owes is below 2^128.
        // forge-lint: disable-next-line(unsafe-typecast)
        _earnings[tab.provider].amount += uint128(amount);
        uint256 refunded = Accounting.returned(tab.used, tab.pricePerCredit, amount);
        if (refunded != 0) balanceOf[tab.payer] += refunded;
        if (tab.room != Accounting.UNCAPPED) _spend(tab.provider, amount);
    }

    /// @dev Counts what a capped operator has settled today.
    function _spend(address provider, uint256 amount) private {
        Operator storage operator = _operators[provider][msg.sender];
        (,, uint88 spent) = operatorLimits(provider, msg.sender);
        // Safe: what was spent and what there was room for are at most `dailyCap`.
        // forge-lint: disable-next-line(unsafe-typecast)
        (operator.day, operator.spent) = (_today(), spent + uint88(amount));
    }

    function _today() private view returns (uint32) {
        // Safe for eleven million years.
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint32(block.timestamp / 1 days);
    }

    function _revertWith(bytes4 selector) private pure {
        assembly ("memory-safe") {
            mstore(0, selector)
            revert(0, 4)
        }
    }
}
