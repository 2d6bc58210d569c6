// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IEscrow} from "../interfaces/IEscrow.sol";
import {ExactTransfer} from "../libraries/ExactTransfer.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title Balances
/// @notice The token, and the payers' free balances.
abstract contract Balances is IEscrow {
    using ExactTransfer for IERC20;

    /// @inheritdoc IEscrow
    IERC20 public immutable token;
    /// @inheritdoc IEscrow
    mapping(address payer => uint256) public balanceOf;

    constructor(IERC20 token_) {
        token = token_;
    }

    function _debit(address payer, uint256 amount) internal {
        uint256 available = balanceOf[payer];
        if (amount > available) revert InsufficientBalance(available, amount);
        unchecked {
            balanceOf[payer] = available - amount;
        }
    }

    function _withdraw(address payer, uint256 amount, address to) internal {
        _requireRecipient(to);
        _debit(payer, amount);
        emit Withdrawn(payer, to, amount);
        token.push(to, amount);
    }

    function _requireRecipient(address to) internal view {
        if (to == address(0) || to == address(this)) revert InvalidRecipient(to);
    }
}
