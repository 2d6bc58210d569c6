// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Kind, Message} from "../../support/RelayTest.sol";
import {Role, World} from "../World.sol";
import {Handler} from "./Handler.sol";

/// @notice Whoever sends payers' messages: as signed, again, too late, for too much, or changed.
contract RelayerHandler is Handler {
    uint256 private constant FEE_MAX = 1e6;

    address private immutable _relayer;
    Message[] private _done;

    constructor(World world_) Handler(world_) {
        _relayer = world_.relayerAddress();
    }

    /// @dev The payer's own step, for at most the fee it signed.
    function relay(uint256 p, uint256 v, uint256 kind, uint256 value, uint256 fee) external {
        bool isReclaim = kind % 4 == uint256(Kind.Reclaim);
        (p, v) = isReclaim ? aRipePair(p, v) : (aPayer(p), aProvider(v));
        Message memory message = _sign(p, v, kind, value, fee);
        uint256 free = escrow.balanceOf(message.payer);
        // Mostly what the payer has; a fee out of what is reclaimed, too.
        bool isOwn = message.kind != Kind.Reclaim && message.by.feeMax > free;
        _relay(p, v, message, bound(value, 0, isOwn ? free : message.by.feeMax));
    }

    /// @dev The relayer takes its fees home, as anybody withdraws.
    function cashOut() external {
        uint256 amount = escrow.balanceOf(_relayer);
        vm.prank(_relayer);
        escrow.withdraw(amount, _relayer);
        world.left(amount);
    }

    function replay(uint256 which, uint256 fee) external held(Role.Bystander) {
        if (_done.length == 0) return;
        Message memory message = _done[which % _done.length];
        _expectRefusal(message, bound(fee, 0, message.by.feeMax), _relayer);
    }

    function overcharge(uint256 p, uint256 v, uint256 kind, uint256 value, uint256 more)
        external
        held(Role.Bystander)
    {
        Message memory message = _sign(aPayer(p), aProvider(v), kind, value, value);
        uint256 fee = message.by.feeMax + bound(more, 1, type(uint128).max);
        _expectRefusal(message, fee, _relayer);
    }

    function sendLate(uint256 p, uint256 v, uint256 kind, uint256 value)
        external
        held(Role.Bystander)
    {
        Message memory message = _sign(aPayer(p), aProvider(v), kind, value, value);
        uint256 start = block.timestamp;
        vm.warp(message.by.deadline + 1);
        _expectRefusal(message, 0, _relayer);
        vm.warp(start);
    }

    /// @dev One changed field, and it is nobody's message; or none of this kind.
    function change(uint256 p, uint256 v, uint256 kind, uint256 value, uint256 field)
        external
        held(Role.Bystander)
    {
        (p, v) = (aPayer(p), aProvider(v));
        Message memory message = _sign(p, v, kind, value, value);
        address thief = world.thiefAddress();
        bool isWithdraw = message.kind == Kind.Withdraw;
        field = field % 7;
        if (field == 0) message.payer = world.payerAt(1 - p);
        if (field == 1 && isWithdraw) message.to = thief;
        if (field == 1 && !isWithdraw) message.provider = world.providers(1 - v);
        if (field == 2 && isWithdraw) message.amount += 1;
        if (field == 2 && !isWithdraw) message.by.feeMax += 1;
        if (field == 3) message.by.feeMax = type(uint256).max;
        if (field == 4) message.by.deadline += 1;
        if (field == 5) message.by.nonce += 1;
        if (field == 6) message.kind = Kind((uint256(message.kind) + 1) % 4);
        _expectRefusal(message, 0, thief);
    }

    /* STEPS */

    function _sign(uint256 p, uint256 v, uint256 kind, uint256 value, uint256 fee)
        private
        view
        returns (Message memory message)
    {
        message.kind = Kind(kind % 4);
        message.provider = world.providers(v);
        message.credits = uint128(bound(value, 1, 1000));
        message.to = world.payerAt(p);
        message.amount = bound(value, 0, escrow.balanceOf(message.to) / 2);
        message.by.feeMax = bound(fee, 0, FEE_MAX);
        return world.signMessage(p, message);
    }

    function _relay(uint256 p, uint256 v, Message memory message, uint256 fee)
        private
        heldOf(p, message.by.feeMax + (message.kind == Kind.Withdraw ? message.amount : 0))
    {
        uint256 had = escrow.balanceOf(_relayer);
        bool isDue = isRipe(p, v);
        try world.send(message, fee, _relayer) {
            world.check(6, escrow.balanceOf(_relayer) == had + fee);
            if (message.kind == Kind.Revoke) world.revoked(p, v);
            if (message.kind == Kind.BumpEpoch) world.bumped(p, v);
            if (message.kind == Kind.Reclaim) world.check(3, isDue);
            if (message.kind == Kind.Withdraw) world.left(message.amount);
            _done.push(message);
            world.check(7, escrow.nonces(message.payer) == message.by.nonce + 1);
        } catch {
            world.check(7, escrow.nonces(message.payer) == message.by.nonce);
        }
    }

    function _expectRefusal(Message memory message, uint256 fee, address to) private {
        try world.send(message, fee, to) {
            world.check(7, false);
        } catch {
            world.check(7, true);
        }
    }
}
