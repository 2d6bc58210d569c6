// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Escrow} from "../../src/Escrow.sol";
import {Authorization, Permit} from "../../src/interfaces/EscrowTypes.sol";
import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {Kind, Message, RelayTest} from "../support/RelayTest.sol";
import {StdStorage, stdStorage} from "forge-std/StdStorage.sol";

/// @notice Vectors that viem made and that `tools/contracts_test.ts` holds the TypeScript side to:
/// both sides hash and sign the same.
contract SignaturesTest is RelayTest {
    using stdStorage for StdStorage;

    string private _vectors;

    function setUp() public override {
        super.setUp();
        _vectors = vm.readFile("contracts/test/vectors/signatures.json");
    }

    function test_type_hashes_are_viems() public view {
        assertEq(escrow.PERMIT_TYPEHASH(), vm.parseJsonBytes32(_vectors, ".permitTypehash"));
        assertEq(
            escrow.DEPOSIT_AND_ALLOW_TYPEHASH(),
            vm.parseJsonBytes32(_vectors, ".depositAndAllowTypehash")
        );
    }

    function test_the_domain_is_the_published_one() public view {
        (, string memory name, string memory version, uint256 chainId, address contract_,,) =
            escrow.eip712Domain();
        assertEq(name, "Khachapuri Escrow");
        assertEq(version, "1");
        assertEq(chainId, block.chainid);
        assertEq(contract_, address(escrow));
    }

    function test_the_escrow_takes_permits_that_viem_signed() public {
        for (uint256 i = 0; vm.keyExistsJson(_vectors, at(i, "")); ++i) {
            uint256 chainId = vm.parseJsonUint(_vectors, at(i, ".chainId"));
            address where = vm.parseJsonAddress(_vectors, at(i, ".escrow"));
            Permit memory permit = permitAt(i);
            bytes32 digest = vm.parseJsonBytes32(_vectors, at(i, ".digest"));
            assertEq(permitDigest(permit, where, chainId), digest);

            deployAt(chainId, where);
            putEpoch(escrow, permit.payer, permit.provider, permit.epoch);
            vm.prank(permit.payer);
            escrow.allow(permit.provider, 0, 1);
            vm.prank(permit.provider);
            escrow.consume(0, permit);
            assertEq(escrow.consumed(permit.payer, permit.provider, permit.lane), 1);
        }
    }

    function test_message_type_hashes_are_viems() public view {
        for (uint256 kind = 0; kind < KINDS; ++kind) {
            bytes32 typeHash = vm.parseJsonBytes32(_vectors, messageField(kind, ".typehash"));
            assertEq(messageTypeHash(Kind(kind)), typeHash);
        }
    }

    function test_the_escrow_takes_messages_that_viem_signed() public {
        for (uint256 kind = 0; kind < KINDS; ++kind) {
            uint256 chainId = vm.parseJsonUint(_vectors, messageField(kind, ".chainId"));
            address where = vm.parseJsonAddress(_vectors, messageField(kind, ".escrow"));
            Message memory message = messageAt(kind);
            bytes32 digest = vm.parseJsonBytes32(_vectors, messageField(kind, ".digest"));
            assertEq(messageDigest(message, where, chainId), digest);

            deployAt(chainId, where);
            prepareFor(message);
            vm.expectEmit(where);
            emit IEscrow.Relayed(message.payer, relayer, message.by.nonce, message.by.feeMax);
            relay(message, message.by.feeMax, relayer);
            assertEq(escrow.nonces(message.payer), message.by.nonce + 1);
        }
    }

    function test_the_nonce_is_viems() public view {
        string memory base = ".depositAndAllow.parameters";
        Onboarding memory on = Onboarding({
            payer: vm.parseJsonAddress(_vectors, string.concat(base, ".payer")),
            amount: vm.parseJsonUint(_vectors, string.concat(base, ".amount")),
            validAfter: vm.parseJsonUint(_vectors, string.concat(base, ".validAfter")),
            validBefore: vm.parseJsonUint(_vectors, string.concat(base, ".validBefore")),
            provider: vm.parseJsonAddress(_vectors, string.concat(base, ".provider")),
            pricePerCredit: uint128(
                vm.parseJsonUint(_vectors, string.concat(base, ".pricePerCredit"))
            ),
            credits: uint128(vm.parseJsonUint(_vectors, string.concat(base, ".credits"))),
            signer: vm.parseJsonAddress(_vectors, string.concat(base, ".signer")),
            salt: vm.parseJsonBytes32(_vectors, string.concat(base, ".salt"))
        });
        bytes32 nonce = vm.parseJsonBytes32(_vectors, ".depositAndAllow.nonce");
        // The escrow signs for this nonce too: see Onboarding.t.sol, which uses the same function.
        assertEq(onboardingNonce(on), nonce);
    }

    function permitAt(uint256 i) private view returns (Permit memory) {
        return Permit({
            payer: vm.parseJsonAddress(_vectors, at(i, ".permit.payer")),
            provider: vm.parseJsonAddress(_vectors, at(i, ".permit.provider")),
            lane: vm.parseJsonBytes32(_vectors, at(i, ".permit.lane")),
            price: uint128(vm.parseJsonUint(_vectors, at(i, ".permit.price"))),
            credits: uint128(vm.parseJsonUint(_vectors, at(i, ".permit.credits"))),
            deadline: uint64(vm.parseJsonUint(_vectors, at(i, ".permit.deadline"))),
            epoch: uint32(vm.parseJsonUint(_vectors, at(i, ".permit.epoch"))),
            signature: vm.parseJsonBytes(_vectors, at(i, ".permit.signature"))
        });
    }

    function at(uint256 i, string memory field) private pure returns (string memory) {
        return string.concat(".permits[", vm.toString(i), "]", field);
    }

    function messageAt(uint256 kind) private view returns (Message memory message) {
        message.kind = Kind(kind);
        message.payer = vm.parseJsonAddress(_vectors, messageField(kind, ".message.payer"));
        if (message.kind == Kind.Withdraw) {
            message.amount = vm.parseJsonUint(_vectors, messageField(kind, ".message.amount"));
            message.to = vm.parseJsonAddress(_vectors, messageField(kind, ".message.to"));
        } else {
            message.provider =
                vm.parseJsonAddress(_vectors, messageField(kind, ".message.provider"));
        }
        if (message.kind == Kind.Revoke) {
            message.credits =
                uint128(vm.parseJsonUint(_vectors, messageField(kind, ".message.credits")));
        }
        message.by = Authorization({
            feeMax: vm.parseJsonUint(_vectors, messageField(kind, ".message.feeMax")),
            nonce: vm.parseJsonUint(_vectors, messageField(kind, ".message.nonce")),
            deadline: uint64(vm.parseJsonUint(_vectors, messageField(kind, ".message.deadline"))),
            signature: vm.parseJsonBytes(_vectors, messageField(kind, ".signature"))
        });
    }

    function messageField(uint256 kind, string memory field) private pure returns (string memory) {
        return string.concat(".messages[", vm.toString(kind), "]", field);
    }

    function deployAt(uint256 chainId, address where) private {
        vm.chainId(chainId);
        deployCodeTo("Escrow.sol:Escrow", abi.encode(usdc, THAWING_PERIOD), where);
        escrow = Escrow(where);
    }

    /// @dev So that the payer's message of any kind would do something: money is free, a credit
    /// thaws and is ripe, and as many messages went before.
    function prepareFor(Message memory message) private {
        uint256 amount = message.amount + message.by.feeMax;
        mint(message.payer, amount);
        vm.startPrank(message.payer);
        usdc.approve(address(escrow), amount);
        escrow.deposit(amount);
        if (message.kind != Kind.Withdraw) {
            escrow.allow(message.provider, 0, 1);
            escrow.revoke(message.provider, 1);
            skip(THAWING_PERIOD);
        }
        vm.stopPrank();
        stdstore.target(address(escrow)).sig("nonces(address)").with_key(message.payer)
            .checked_write(message.by.nonce);
    }
}
