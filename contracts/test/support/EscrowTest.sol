// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Escrow} from "../../src/Escrow.sol";
import {Allowance, Charge, Permit} from "../../src/interfaces/EscrowTypes.sol";
import {IFiatToken, RealUsdc} from "./RealUsdc.sol";
import {VmSafe} from "forge-std/Vm.sol";

/// @notice An escrow over the real USDC, people to use it, and their signatures. Digests are made
/// here from the standards, not by the code under test.
abstract contract EscrowTest is RealUsdc {
    uint64 internal constant THAWING_PERIOD = 1 days;
    uint128 internal constant PRICE = 1000;
    uint128 internal constant CREDITS = 100;
    uint256 internal constant FUNDS = 1_000_000e6;
    bytes32 internal constant LANE = keccak256("lane");

    IFiatToken internal usdc;
    Escrow internal escrow;
    VmSafe.Wallet internal payer;
    VmSafe.Wallet internal signer;
    address internal provider = makeAddr("provider");
    address internal operator = makeAddr("operator");
    address internal thief = makeAddr("thief");
    address internal admin = makeAddr("usdc admin");

    function setUp() public virtual {
        vm.warp(1_800_000_000);
        usdc = deployUsdc(admin);
        escrow = new Escrow(usdc, THAWING_PERIOD);
        payer = vm.createWallet("payer");
        signer = vm.createWallet("signer");
        mint(payer.addr, FUNDS);
        vm.prank(payer.addr);
        usdc.approve(address(escrow), type(uint256).max);
        vm.prank(provider);
        escrow.setOperator(operator, type(uint48).max, 0);
    }

    /* STEPS */

    function mint(address to, uint256 amount) internal {
        vm.prank(admin);
        usdc.mint(to, amount);
    }

    function deposit(uint256 amount) internal {
        vm.prank(payer.addr);
        escrow.deposit(amount);
    }

    function allow(uint128 price, uint128 credits, address pinned) internal {
        vm.prank(payer.addr);
        escrow.allow(provider, price, credits, pinned);
    }

    /// @dev The usual start: CREDITS at PRICE, signed by the payer, nothing left free.
    function depositAndAllow() internal {
        deposit(uint256(PRICE) * CREDITS);
        allow(PRICE, CREDITS, address(0));
    }

    function revoke(uint128 credits) internal {
        vm.prank(payer.addr);
        escrow.revoke(provider, credits);
    }

    function reclaim() internal {
        vm.prank(payer.addr);
        escrow.reclaim(provider);
    }

    function bumpEpoch() internal {
        vm.prank(payer.addr);
        escrow.bumpEpoch(provider);
    }

    function consume(uint256 price, Permit memory permit) internal {
        vm.prank(operator);
        escrow.consume(price, permit);
    }

    function settle(Charge[] memory charges) internal returns (uint256 amount) {
        vm.prank(operator);
        amount = escrow.consume(charges);
    }

    function settle(Permit memory permit, uint128 credits, uint128 price)
        internal
        returns (uint256 amount)
    {
        return settle(rows(permit, credits, price));
    }

    /// @dev As if the payer, who has pinned no signer, had bumped it `epoch` times.
    function putEpoch(Escrow where, address from, address to, uint32 epoch) internal {
        vm.record();
        where.allowance(from, to);
        (bytes32[] memory reads,) = vm.accesses(address(where));
        // The slot of signer, epoch and epochEnd, in this order from the lowest bit.
        vm.store(address(where), reads[reads.length - 1], bytes32(uint256(epoch) << 160));
        Allowance memory held = where.allowance(from, to);
        assertEq(held.epoch, epoch);
        assertEq(held.signer, address(0));
    }

    /* VIEWS */

    function allowance() internal view returns (Allowance memory) {
        return escrow.allowance(payer.addr, provider);
    }

    function consumed(bytes32 lane) internal view returns (uint256) {
        return escrow.consumed(payer.addr, provider, lane);
    }

    function free() internal view returns (uint256) {
        return escrow.balanceOf(payer.addr);
    }

    function earned() internal view returns (uint256) {
        return escrow.earned(provider);
    }

    /* PERMITS */

    function rows(Permit memory permit, uint128 credits, uint128 price)
        internal
        pure
        returns (Charge[] memory charges)
    {
        charges = new Charge[](1);
        charges[0] = Charge(permit, credits, price);
    }

    /// @dev A permit of the payer for the provider on LANE, for ever, of this epoch.
    function permitOf(uint128 credits, uint32 epoch) internal view returns (Permit memory permit) {
        permit = unsigned(LANE, PRICE, credits);
        (permit.deadline, permit.epoch) = (type(uint64).max, epoch);
        return signed(permit, payer);
    }

    /// @dev A permit of the payer for the provider on LANE that lives a day.
    function permitOf(uint128 credits) internal view returns (Permit memory) {
        return signed(unsigned(LANE, PRICE, credits), payer);
    }

    function unsigned(bytes32 lane, uint128 price, uint128 credits)
        internal
        view
        returns (Permit memory)
    {
        uint64 deadline = uint64(block.timestamp + 1 days);
        return Permit(payer.addr, provider, lane, price, credits, deadline, 0, "");
    }

    function signed(Permit memory permit, VmSafe.Wallet memory wallet)
        internal
        view
        returns (Permit memory)
    {
        permit.signature = sign(wallet, permitDigest(permit, address(escrow), block.chainid));
        return permit;
    }

    function sign(VmSafe.Wallet memory wallet, bytes32 digest)
        internal
        pure
        returns (bytes memory)
    {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(wallet.privateKey, digest);
        return abi.encodePacked(r, s, v);
    }

    function permitDigest(Permit memory permit, address verifyingContract, uint256 chainId)
        internal
        pure
        returns (bytes32)
    {
        bytes32 typeHash = keccak256(
            "Permit(address payer,address provider,bytes32 lane,uint128 price,uint128 credits,uint64 deadline,uint32 epoch)"
        );
        bytes32 structHash = keccak256(
            abi.encode(
                typeHash,
                permit.payer,
                permit.provider,
                permit.lane,
                permit.price,
                permit.credits,
                permit.deadline,
                permit.epoch
            )
        );
        return typedDigest(structHash, verifyingContract, chainId);
    }

    /// @dev EIP-712 in the escrow's domain.
    function typedDigest(bytes32 structHash, address verifyingContract, uint256 chainId)
        internal
        pure
        returns (bytes32)
    {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("Khachapuri Escrow"),
                keccak256("1"),
                chainId,
                verifyingContract
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    /* EIP-3009 */

    /// @dev Everything that `depositAndAllow` takes but the signature.
    struct Onboarding {
        address payer;
        uint256 amount;
        uint256 validAfter;
        uint256 validBefore;
        address provider;
        uint128 pricePerCredit;
        uint128 credits;
        address signer;
        bytes32 salt;
    }

    function onboarding() internal view returns (Onboarding memory) {
        return Onboarding({
            payer: payer.addr,
            amount: uint256(PRICE) * CREDITS,
            validAfter: 0,
            validBefore: block.timestamp + 1 hours,
            provider: provider,
            pricePerCredit: PRICE,
            credits: CREDITS,
            signer: address(0),
            salt: keccak256("salt")
        });
    }

    function onboardingNonce(Onboarding memory on) internal pure returns (bytes32) {
        bytes32 typeHash = keccak256(
            "DepositAndAllow(address payer,uint256 amount,uint256 validAfter,uint256 validBefore,address provider,uint128 pricePerCredit,uint128 credits,address signer,bytes32 salt)"
        );
        return keccak256(abi.encode(typeHash, on));
    }

    /// @dev The payer's EIP-3009 signature over the token's transfer to `to` with `nonce`.
    function receiveSignature(Onboarding memory on, address to, bytes32 nonce)
        internal
        view
        returns (bytes memory)
    {
        bytes32 typeHash = keccak256(
            "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
        );
        bytes32 structHash = keccak256(
            abi.encode(typeHash, on.payer, to, on.amount, on.validAfter, on.validBefore, nonce)
        );
        bytes32 domain = usdc.DOMAIN_SEPARATOR();
        return sign(payer, keccak256(abi.encodePacked(hex"1901", domain, structHash)));
    }

    function onboardingSignature(Onboarding memory on) internal view returns (bytes memory) {
        return receiveSignature(on, address(escrow), onboardingNonce(on));
    }

    function onboard(Onboarding memory on, bytes memory signature) internal {
        escrow.depositAndAllow(
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
        );
    }
}
