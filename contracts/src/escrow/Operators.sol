// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IEscrow} from "../interfaces/IEscrow.sol";
import {Accounting} from "../libraries/Accounting.sol";

/// @title Operators
/// @notice The hot keys that settle for providers, and what each may settle.
abstract contract Operators is IEscrow {
    /// @dev What an operator may do, in one slot. `spent` counts in `day`, days since 1970.
    struct Operator {
        uint48 expiry;
        uint32 day;
        uint88 dailyCap;
        uint88 spent;
    }

    mapping(address provider => mapping(address operator => Operator)) private _operators;

    /// @inheritdoc IEscrow
    function setOperator(address operator, uint48 expiry, uint88 dailyCap) external {
        if (expiry != 0 && expiry <= block.timestamp) revert ExpiryPassed(expiry);
        Operator storage named = _operators[msg.sender][operator];
        (named.expiry, named.dailyCap) = (expiry, dailyCap);
        emit OperatorSet(msg.sender, operator, expiry, dailyCap);
    }

    /// @inheritdoc IEscrow
    function isOperator(address provider, address operator) external view returns (bool) {
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

    /// @dev What the caller may still settle for the provider today.
    function _room(address provider) internal view returns (uint256) {
        if (msg.sender == provider) return Accounting.UNCAPPED;
        (uint48 expiry, uint88 dailyCap, uint88 spent) = operatorLimits(provider, msg.sender);
        if (block.timestamp >= expiry) revert NotOperator(provider, msg.sender);
        return Accounting.roomOf(dailyCap, spent);
    }

    /// @dev Counts what a capped operator has settled today.
    function _spend(address provider, uint256 amount) internal {
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
}
