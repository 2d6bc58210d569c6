// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Authorization} from "../../src/interfaces/EscrowTypes.sol";
import {EscrowTest} from "./EscrowTest.sol";
import {VmSafe} from "forge-std/Vm.sol";

/// @notice What a payer may sign for somebody else to send.
enum Kind {
    Revoke,
    BumpEpoch,
    Reclaim,
    Withdraw
}

/// @notice A payer's message of any kind.
/// @param provider Of all kinds but Withdraw.
/// @param credits Of Revoke.
/// @param amount Of Withdraw.
/// @param to Of Withdraw.
struct Message {
    Kind kind;
    address payer;
    address provider;
    uint128 credits;
    uint256 amount;
    address to;
    Authorization by;
}

/// @notice Messages of payers without ETH, and somebody who sends them.
abstract contract RelayTest is EscrowTest {
    uint256 internal constant KINDS = 4;
    uint256 internal constant FEE_MAX = 500;

    address internal relayer = makeAddr("relayer");

    /// @dev The payer's message to the provider, or to itself, for an hour and at FEE_MAX.
    function messageOf(Kind kind) internal view returns (Message memory) {
        uint64 deadline = uint64(block.timestamp + 1 hours);
        return Message({
            kind: kind,
            payer: payer.addr,
            provider: provider,
            credits: 10,
            amount: 700,
            to: payer.addr,
            by: Authorization(FEE_MAX, escrow.nonces(payer.addr), deadline, "")
        });
    }

    function signed(Message memory message, VmSafe.Wallet memory wallet)
        internal
        view
        returns (Message memory)
    {
        bytes32 digest = messageDigest(message, address(escrow), block.chainid);
        message.by.signature = sign(wallet, digest);
        return message;
    }

    function messageDigest(Message memory message, address verifyingContract, uint256 chainId)
        internal
        pure
        returns (bytes32)
    {
        Authorization memory by = message.by;
        bytes memory end = abi.encode(by.feeMax, by.nonce, by.deadline);
        bytes32 structHash = keccak256(bytes.concat(beginning(message), end));
        return typedDigest(structHash, verifyingContract, chainId);
    }

    /// @dev Type hash and fields of the kind, without those that every message ends with.
    function beginning(Message memory message) private pure returns (bytes memory) {
        bytes32 typeHash = messageTypeHash(message.kind);
        if (message.kind == Kind.Revoke) {
            return abi.encode(typeHash, message.payer, message.provider, message.credits);
        }
        if (message.kind == Kind.Withdraw) {
            return abi.encode(typeHash, message.payer, message.amount, message.to);
        }
        return abi.encode(typeHash, message.payer, message.provider);
    }

    function messageTypeHash(Kind kind) internal pure returns (bytes32) {
        string[KINDS] memory fields = [
            "Revoke(address payer,address provider,uint128 credits",
            "BumpEpoch(address payer,address provider",
            "Reclaim(address payer,address provider",
            "Withdraw(address payer,uint256 amount,address to"
        ];
        string memory end = ",uint256 feeMax,uint256 nonce,uint64 deadline)";
        return keccak256(bytes(string.concat(fields[uint256(kind)], end)));
    }

    /// @dev The one call to the escrow that sends the message.
    function relay(Message memory message, uint256 fee, address to) internal {
        (address from, address at) = (message.payer, message.provider);
        Authorization memory by = message.by;
        if (message.kind == Kind.Revoke) {
            escrow.revokeFor(from, at, message.credits, by, fee, to);
        } else if (message.kind == Kind.BumpEpoch) {
            escrow.bumpEpochFor(from, at, by, fee, to);
        } else if (message.kind == Kind.Reclaim) {
            escrow.reclaimFor(from, at, by, fee, to);
        } else {
            escrow.withdrawFor(from, message.amount, message.to, by, fee, to);
        }
    }
}
