// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Allowance} from "../interfaces/EscrowTypes.sol";
import {IEscrow} from "../interfaces/IEscrow.sol";
import {Accounting} from "../libraries/Accounting.sol";
import {Balances} from "./Balances.sol";

/// @title Allowances
/// @notice What payers have set aside for providers, and how they take it back.
abstract contract Allowances is Balances {
    uint64 private constant THAWING_PERIOD_MIN = 1 hours;
    uint64 private constant THAWING_PERIOD_MAX = 30 days;

    /// @inheritdoc IEscrow
    uint64 public immutable THAWING_PERIOD;

    /// @dev `thawingCredits`, `epoch` and `epochEnd` as they were last written: `allowance` brings
    /// them up to date.
    mapping(address payer => mapping(address provider => Allowance)) internal _allowances;

    constructor(uint64 thawingPeriod) {
        if (thawingPeriod < THAWING_PERIOD_MIN || thawingPeriod > THAWING_PERIOD_MAX) {
            revert InvalidThawingPeriod(thawingPeriod);
        }
        THAWING_PERIOD = thawingPeriod;
    }

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

    function _allow(
        address payer,
        address provider,
        uint128 pricePerCredit,
        uint128 credits,
        address signer
    ) internal {
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

    function _revoke(address payer, address provider, uint128 credits) internal {
        Allowance storage held = _allowances[payer][provider];
        uint128 thawing = Accounting.thawingOf(credits, held.credits);
        if (thawing == 0) revert ZeroCredits();
        uint64 thawEnd = _afterNotice();
        (held.thawingCredits, held.thawEnd) = (thawing, thawEnd);
        emit RevokeStarted(payer, provider, thawing, thawEnd);
    }

    function _bumpEpoch(address payer, address provider) internal {
        if (provider == address(0)) revert InvalidProvider();
        Allowance memory held = allowance(payer, provider);
        if (held.epochEnd != 0) revert EpochPending(held.epochEnd);
        uint64 epochEnd = _afterNotice();
        Allowance storage stored = _allowances[payer][provider];
        (stored.epoch, stored.epochEnd) = (held.epoch, epochEnd);
        emit EpochBumped(payer, provider, held.epoch + 1, epochEnd);
    }

    function _reclaim(address payer, address provider) internal {
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
}
