// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IEscrow} from "../interfaces/IEscrow.sol";
import {IReceiveWithAuthorization} from "../interfaces/IReceiveWithAuthorization.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

/// @title ExactTransfer
/// @notice Takes tokens in, and only ever the amount asked for: USDC is upgradeable, and a fee on
/// transfer would leave the escrow with less than it owes.
library ExactTransfer {
    using SafeERC20 for IERC20;

    /// @dev Reverts unless what runs in between brings in `amount`.
    modifier bringing(IERC20 token, uint256 amount) {
        uint256 held = token.balanceOf(address(this));
        _;
        uint256 received = token.balanceOf(address(this)) - held;
        if (received != amount) revert IEscrow.DepositMismatch(received, amount);
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
}
