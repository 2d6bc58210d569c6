// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Charge, Permit} from "../../../src/interfaces/EscrowTypes.sol";
import {EscrowTest} from "../../support/EscrowTest.sol";
import {Kind, Message} from "../../support/RelayTest.sol";
import {Role, World} from "../World.sol";
import {Handler} from "./Handler.sol";
import {VmSafe} from "forge-std/Vm.sol";

/// @notice Somebody with everybody's permits, at times even with an operator's key, who forges.
contract ThiefHandler is Handler {
    string private constant CONSUME =
        "consume(uint256,(address,address,bytes32,uint128,uint128,uint64,uint32,bytes))";
    string private constant CONSUME_BATCH =
        "consume(((address,address,bytes32,uint128,uint128,uint64,uint32,bytes),uint128,uint128)[])";

    VmSafe.Wallet private _thief;
    uint256 private _salt = 1 << 128;

    constructor(World world_) Handler(world_) {
        _thief = vm.createWallet("thief");
        assertEq(_thief.addr, world_.thiefAddress());
    }

    /// @dev With everybody's permits and a key of its own.
    function stealAsOneself(uint256 p, uint256 v, uint256 lane) external held(Role.Bystander) {
        (p, v, lane) = (aPayer(p), aProvider(v), lane % world.LANES());
        Permit memory permit = world.permitAt(p, v, lane);
        Charge[] memory charges = new Charge[](1);
        charges[0] = Charge(permit, permit.credits, permit.price);
        vm.startPrank(_thief.addr);
        escrow.setOperator(_thief.addr, type(uint48).max, 0);
        escrow.setCollector(_thief.addr);
        if (permit.signature.length != 0) {
            _expectFailure(abi.encodeWithSignature(CONSUME, permit.price, permit));
            _expectFailure(abi.encodeWithSignature(CONSUME_BATCH, charges));
        }
        address provider = world.providers(v);
        _expectFailure(abi.encodeCall(escrow.withdraw, (1, _thief.addr)));
        _expectFailure(abi.encodeCall(escrow.reclaim, (provider)));
        _expectFailure(abi.encodeCall(escrow.revoke, (provider, 1)));
        _expectFailure(abi.encodeCall(escrow.refund, (_thief.addr, world.lanes(lane), 1)));
        _expectFailure(abi.encodeCall(escrow.refund, (world.payerAt(p), world.lanes(lane), 1)));
        escrow.collect(_thief.addr);
        vm.stopPrank();
        world.check(7, usdc.balanceOf(_thief.addr) == 0);
        world.check(7, escrow.balanceOf(_thief.addr) == 0);
    }

    /// @dev A payer's permit, or the thief's own signature, is no message of the payer's.
    function relayAsOneself(uint256 p, uint256 v, uint256 lane, uint256 kind)
        external
        held(Role.Bystander)
    {
        (p, v, lane) = (aPayer(p), aProvider(v), lane % world.LANES());
        Message memory message;
        message.kind = Kind(kind % 4);
        message.provider = world.providers(v);
        message.credits = 1;
        message.to = _thief.addr;
        message.by.feeMax = 1;
        message = world.signMessage(p, message);
        message.by.signature = kind % 8 < 4
            ? world.permitAt(p, v, lane).signature
            : _sign(keccak256(message.by.signature));
        try world.send(message, 0, _thief.addr) {
            world.check(7, false);
        } catch {
            world.check(7, true);
        }
    }

    /// @dev One changed field of a genuine permit, even in the provider's hands, charges nothing.
    function chargeForged(uint256 p, uint256 v, uint256 lane, uint256 field, uint256 value)
        external
        held(Role.Bystander)
    {
        (p, v) = (aPayer(p), aProvider(v));
        Permit memory permit = world.permitAt(p, v, lane % world.LANES());
        if (permit.signature.length == 0) return;
        bytes32 genuine = keccak256(abi.encode(permit));
        field = field % 8;
        if (field == 0) permit.payer = world.payerAt(value % world.PAYERS());
        if (field == 1) (v, permit.provider) = (1 - v, world.providers(1 - v));
        if (field == 2) permit.lane = world.lanes(value % world.LANES());
        if (field == 3) permit.price = uint128(value);
        if (field == 4) permit.credits = uint128(value);
        if (field == 5) permit.deadline = uint64(value);
        if (field == 6) permit.epoch = uint32(value % 3);
        if (field == 7) permit.signature = _sign(keccak256(abi.encode(permit)));
        if (keccak256(abi.encode(permit)) == genuine) return;
        _chargeForged(v, permit);
    }

    /// @dev One changed parameter of a genuine onboarding, and USDC refuses it.
    function relayForged(uint256 p, uint256 field, uint256 value) external held(Role.Bystander) {
        p = aPayer(p);
        EscrowTest.Onboarding memory on;
        on.payer = world.payerAt(p);
        on.amount = 1e6;
        on.validBefore = type(uint256).max;
        on.provider = world.providers(0);
        on.pricePerCredit = 1;
        on.credits = 5;
        on.salt = bytes32(++_salt);
        bytes memory signature = world.signOnboarding(p, on);
        bytes32 genuine = keccak256(abi.encode(on));
        field = field % 9;
        if (field == 0) on.payer = world.payerAt(value % world.PAYERS());
        if (field == 1) on.amount = value % 1e9;
        if (field == 2) on.validAfter = value % block.timestamp;
        if (field == 3) on.validBefore = value;
        if (field == 4) on.provider = _thief.addr;
        if (field == 5) on.pricePerCredit = uint128(value);
        if (field == 6) on.credits = uint128(value);
        if (field == 7) on.signer = address(uint160(value));
        if (field == 8) on.salt = bytes32(value);
        if (keccak256(abi.encode(on)) == genuine) return;
        _relayForged(on, signature);
    }

    function _expectFailure(bytes memory data) private {
        (bool success,) = address(escrow).call(data);
        world.check(7, !success);
    }

    function _sign(bytes32 digest) private view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(_thief.privateKey, digest);
        return abi.encodePacked(r, s, v);
    }

    function _chargeForged(uint256 v, Permit memory permit) private {
        Charge[] memory charges = new Charge[](1);
        charges[0] = Charge(permit, permit.credits, 0);
        uint256 had = escrow.consumed(permit.payer, permit.provider, permit.lane);
        vm.startPrank(world.providers(v));
        world.check(7, escrow.consume(charges) == 0);
        try escrow.consume(0, permit) {
            world.check(7, false);
        } catch {}
        vm.stopPrank();
        uint256 has = escrow.consumed(permit.payer, permit.provider, permit.lane);
        world.check(7, has == had);
    }

    function _relayForged(EscrowTest.Onboarding memory on, bytes memory signature) private {
        vm.prank(_thief.addr);
        try escrow.depositAndAllow(
            on.payer,
            on.amount,
            on.validAfter,
            on.validBefore,
            on.provider,
            on.pricePerCredit,
            on.credits,
            on.signer,
            on.salt,
            signature
        ) {
            world.check(7, false);
        } catch {
            world.check(7, true);
        }
    }
}
