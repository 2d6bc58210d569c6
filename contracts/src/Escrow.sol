// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Allowance, Charge, IEscrow, Permit} from "./interfaces/IEscrow.sol";
import {ExactTransfer} from "./libraries/ExactTransfer.sol";
import {Permits} from "./libraries/Permits.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

/// @title Escrow
contract Escrow is IEscrow, EIP712, ReentrancyGuardTransient {
    using ExactTransfer for IERC20;
    using SafeERC20 for IERC20;

    /// @dev One payer's allowance for one provider while rows are charged against it: read once,
    /// written once, however many rows there are.
    struct Tab {
        address payer;
        address provider;
        address signer;
        uint256 pricePerCredit;
        uint256 credits;
        uint256 used;
        uint256 earned;
    }

    /* CONSTANTS */

    uint64 private constant THAWING_PERIOD_MAX = 30 days;

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
    /// @inheritdoc IEscrow
    mapping(address provider => uint256) public earned;
    /// @inheritdoc IEscrow
    mapping(address provider => mapping(address operator => bool)) public isOperator;
    /// @inheritdoc IEscrow
    mapping(address payer => mapping(address provider => mapping(bytes32 lane => uint256))) public
        consumed;
    mapping(address payer => mapping(address provider => Allowance)) private _allowances;

    constructor(IERC20 token_, uint64 thawingPeriod) EIP712("Khachapuri Escrow", "1") {
        if (thawingPeriod == 0 || thawingPeriod > THAWING_PERIOD_MAX) {
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
    function withdraw(uint256 amount, address to) external nonReentrant {
        _requireRecipient(to);
        _debit(msg.sender, amount);
        emit Withdrawn(msg.sender, to, amount);
        token.safeTransfer(to, amount);
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
        Allowance storage held = _allowances[msg.sender][provider];
        uint128 thawing = credits < held.credits ? credits : held.credits;
        if (thawing == 0) revert ZeroCredits();
        uint64 thawEnd = uint64(block.timestamp) + THAWING_PERIOD;
        (held.thawingCredits, held.thawEnd) = (thawing, thawEnd);
        emit RevokeStarted(msg.sender, provider, thawing, thawEnd);
    }

    /// @inheritdoc IEscrow
    function reclaim(address provider) external {
        Allowance memory held = allowance(msg.sender, provider);
        if (held.thawingCredits == 0) revert NothingThawing();
        if (block.timestamp < held.thawEnd) revert StillThawing(held.thawEnd);
        uint256 amount = uint256(held.thawingCredits) * held.pricePerCredit;
        Allowance storage stored = _allowances[msg.sender][provider];
        stored.credits = held.credits - held.thawingCredits;
        (stored.thawingCredits, stored.thawEnd) = (0, 0);
        balanceOf[msg.sender] += amount;
        emit Reclaimed(msg.sender, provider, held.thawingCredits, amount);
    }

    /* PROVIDER */

    /// @inheritdoc IEscrow
    function consume(uint256 price, Permit calldata permit) external {
        Tab memory tab = _open(permit.payer, permit.provider);
        uint256 next = consumed[permit.payer][permit.provider][permit.lane] + 1;
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
    function collect(address to) external nonReentrant {
        _requireRecipient(to);
        uint256 amount = earned[msg.sender];
        earned[msg.sender] = 0;
        emit Collected(msg.sender, to, amount);
        token.safeTransfer(to, amount);
    }

    /// @inheritdoc IEscrow
    function setOperator(address operator, bool approved) external {
        isOperator[msg.sender][operator] = approved;
        emit OperatorSet(msg.sender, operator, approved);
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
        if (held.thawingCredits > held.credits) held.thawingCredits = held.credits;
        if (held.thawingCredits == 0) held.thawEnd = 0;
    }

    /* BALANCES */

    function _debit(address payer, uint256 amount) private {
        uint256 available = balanceOf[payer];
        if (amount > available) revert InsufficientBalance(available, amount);
        balanceOf[payer] = available - amount;
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
        _debit(payer, uint256(pricePerCredit) * credits - uint256(lockedPrice) * lockedCredits);
        _allowances[payer][provider] = Allowance(pricePerCredit, credits, 0, 0, signer);
        emit Allowed(payer, provider, pricePerCredit, credits, signer);
    }

    /* CHARGES */

    /// @dev Begins a tab; only the provider and its operators may.
    function _open(address payer, address provider) private view returns (Tab memory) {
        if (msg.sender != provider && !isOperator[provider][msg.sender]) {
            revert NotOperator(provider, msg.sender);
        }
        Allowance storage held = _allowances[payer][provider];
        address signer = held.signer == address(0) ? payer : held.signer;
        return Tab(payer, provider, signer, held.pricePerCredit, held.credits, 0, 0);
    }

    /// @dev Takes the lane to `cumulative`, the new credits at `price` each, or says why not.
    function _charge(Tab memory tab, Permit calldata permit, uint256 cumulative, uint256 price)
        private
        returns (bytes4 refusal)
    {
        mapping(bytes32 => uint256) storage lanes = consumed[tab.payer][tab.provider];
        uint256 before = lanes[permit.lane];
        // First, so that a repeated row is known as such even after its permit's deadline.
        if (cumulative <= before) return AlreadyCharged.selector;
        if (block.timestamp > permit.deadline) return PermitExpired.selector;
        if (cumulative > permit.credits) return PermitExceeded.selector;
        if (price > permit.price || price > tab.pricePerCredit) return PriceTooHigh.selector;
        uint256 credits = cumulative - before;
        if (credits > tab.credits - tab.used) return InsufficientCredits.selector;
        bytes32 digest = _hashTypedDataV4(Permits.structHash(permit));
        if (!Permits.isSignedBy(tab.signer, digest, permit.signature)) {
            return InvalidSignature.selector;
        }

        lanes[permit.lane] = cumulative;
        tab.used += credits;
        tab.earned += credits * price;
        emit Charged(tab.payer, tab.provider, permit.lane, credits, cumulative, price);
    }

    /// @dev Writes what the tab's rows came to. What was charged below the locked price is the
    /// payer's again.
    function _close(Tab memory tab) private returns (uint256 amount) {
        if (tab.used == 0) return 0;
        amount = tab.earned;
        // Safe: used <= credits, which was a uint128 when the tab was opened.
        // forge-lint: disable-next-line(unsafe-typecast)
        _allowances[tab.payer][tab.provider].credits = uint128(tab.credits - tab.used);
        earned[tab.provider] += amount;
        uint256 refund = tab.used * tab.pricePerCredit - amount;
        if (refund != 0) balanceOf[tab.payer] += refund;
    }

    function _revertWith(bytes4 selector) private pure {
        assembly ("memory-safe") {
            mstore(0, selector)
            revert(0, 4)
        }
    }
}
