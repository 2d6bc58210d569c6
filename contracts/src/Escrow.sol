// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Allowances} from "./escrow/Allowances.sol";
import {Balances} from "./escrow/Balances.sol";
import {Earnings} from "./escrow/Earnings.sol";
import {Operators} from "./escrow/Operators.sol";
import {Allowance, Authorization, Charge, Permit} from "./interfaces/EscrowTypes.sol";
import {IEscrow} from "./interfaces/IEscrow.sol";
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
contract Escrow is Allowances, Earnings, Operators, EIP712, Nonces, ReentrancyGuardTransient {
    using ExactTransfer for IERC20;
    using Signatures for bytes;

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

    /// @inheritdoc IEscrow
    bytes32 public constant PERMIT_TYPEHASH = Permits.TYPEHASH;

    /// @inheritdoc IEscrow
    bytes32 public constant DEPOSIT_AND_ALLOW_TYPEHASH = keccak256(
        "DepositAndAllow(address payer,uint256 amount,uint256 validAfter,uint256 validBefore,"
        "address provider,uint128 pricePerCredit,uint128 credits,address signer,bytes32 salt)"
    );

    /* STORAGE */

    mapping(address payer => mapping(address provider => mapping(bytes32 lane => Lane))) private
        _lanes;

    constructor(IERC20 token_, uint64 thawingPeriod)
        Balances(token_)
        Allowances(thawingPeriod)
        EIP712("Khachapuri Escrow", "1")
    {}

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
    function refund(address payer, bytes32 lane, uint256 amount) external {
        Lane charged = _lanes[payer][msg.sender][lane];
        if (amount > charged.paid()) revert RefundTooHigh(charged.paid(), amount);
        // Safe: at most `paid`, which is a uint128.
        // forge-lint: disable-next-line(unsafe-typecast)
        uint128 given = uint128(amount);
        _lanes[payer][msg.sender][lane] = Lanes.pack(charged.consumed(), charged.paid() - given);
        _unearn(msg.sender, given);
        balanceOf[payer] += amount;
        emit Refunded(msg.sender, payer, lane, amount);
    }

    /* VIEWS */

    /// @inheritdoc IEscrow
    function consumed(address payer, address provider, bytes32 lane) public view returns (uint256) {
        return _lanes[payer][provider][lane].consumed();
    }

    /// @inheritdoc IEscrow
    function paid(address payer, address provider, bytes32 lane) external view returns (uint256) {
        return _lanes[payer][provider][lane].paid();
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
        _earn(tab.provider, amount);
        uint256 refunded = Accounting.returned(tab.used, tab.pricePerCredit, amount);
        if (refunded != 0) balanceOf[tab.payer] += refunded;
        if (tab.room != Accounting.UNCAPPED) _spend(tab.provider, amount);
    }

    function _revertWith(bytes4 selector) private pure {
        assembly ("memory-safe") {
            mstore(0, selector)
            revert(0, 4)
        }
    }
}
