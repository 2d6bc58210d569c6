// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IEscrow} from "../interfaces/IEscrow.sol";
import {IReceiveWithAuthorization} from "../interfaces/IReceiveWithAuthorization.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

/// @title ExactTransfer
/// @notice Moves tokens, and only ever the amount asked for: USDC is upgradeable, and a fee on
/// transfer would leave the escrow with less than it owes, or a payer with less than it was told.
library ExactTransfer {
    using SafeERC20 for IERC20;

    /// @dev Reverts unless what runs in between brings in `amount`. What the escrow holds, and with
    /// it every sum that it owes, stays below 2^128.
    modifier bringing(IERC20 token, uint256 amount) {
        uint256 held = _balanceOf(token, address(this));
        _;
        uint256 holds = _balanceOf(token, address(this));
        if (holds - held != amount) revert IEscrow.DepositMismatch(holds - held, amount);
        if (holds > type(uint128).max) revert IEscrow.EscrowFull(holds);
    }

    /// @notice Takes `amount` from `from`, who approved it.
    function pull(IERC20 token, address from, uint256 amount) internal bringing(token, amount) {
        token.safeTransferFrom(from, address(this), amount);
    }

    /// @notice Takes `amount` from `from` by its EIP-3009 signature.
    function pullAuthorized(
        IERC20 token,
        address from,
        uint256 amount,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) internal bringing(token, amount) {
        IReceiveWithAuthorization(address(token))
            .receiveWithAuthorization(
                from, address(this), amount, validAfter, validBefore, nonce, signature
            );
    }

    /// @notice Sends `amount` to `to`, which is not this contract. A fee on top would be other
    /// people's money, a fee out of it the recipient's: either reverts. It needs no reentrancy
    /// guard: a payout or deposit inside another makes the sums of the outer one differ.
    function push(IERC20 token, address to, uint256 amount) internal {
        uint256 held = _balanceOf(token, address(this));
        uint256 had = _balanceOf(token, to);
        token.safeTransfer(to, amount);
        (uint256 left, uint256 received) = (_balanceOf(token, address(this)), _balanceOf(token, to));
        // A difference below zero wraps, and is no `amount` either.
        unchecked {
            (left, received) = (held - left, received - had);
        }
        if (left != amount || received != amount) {
            revert IEscrow.PayoutMismatch(left, received, amount);
        }
    }

    /// @dev `token.balanceOf(account)` without what Solidity adds to a call: a payout makes four.
    function _balanceOf(IERC20 token, address account) private view returns (uint256 held) {
        bytes4 selector = IERC20.balanceOf.selector;
        assembly ("memory-safe") {
            mstore(0, selector)
            mstore(4, account)
            let isRead := staticcall(gas(), token, 0, 0x24, 0, 0x20)
            if iszero(and(isRead, gt(returndatasize(), 0x1f))) { revert(0, 0) }
            held := mload(0)
        }
    }
}
