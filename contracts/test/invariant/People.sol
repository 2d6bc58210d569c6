// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Allowance, Authorization, Permit} from "../../src/interfaces/EscrowTypes.sol";
import {Kind, Message, RelayTest} from "../support/RelayTest.sol";
import {VmSafe} from "forge-std/Vm.sol";

/// @notice Who uses the escrow, and what they sign.
abstract contract People is RelayTest {
    uint256 public constant PAYERS = 2;
    uint256 public constant PROVIDERS = 2;
    uint256 public constant LANES = 3;
    /// @dev Everybody who may have a free balance: the payers, the relayer, the thief.
    uint256 public constant HOLDERS = 4;
    /// @dev The lane that `consume` of a single permit uses; the others are settled in batches.
    uint256 public constant SINGLE_LANE = 2;

    VmSafe.Wallet[PAYERS] private _payers;
    VmSafe.Wallet private _pinned;
    address[PROVIDERS] public providers;
    address[PROVIDERS] public operators;
    bytes32[LANES] public lanes;

    constructor() {
        setUp();
        _pinned = vm.createWallet("pinned signer");
        string[PAYERS] memory names = ["anna", "ben"];
        for (uint256 i = 0; i < PAYERS; ++i) {
            _payers[i] = vm.createWallet(names[i]);
            mint(_payers[i].addr, 1e30);
            vm.prank(_payers[i].addr);
            usdc.approve(address(escrow), type(uint256).max);
        }
        for (uint256 i = 0; i < PROVIDERS; ++i) {
            providers[i] = makeAddr(i == 0 ? "provider one" : "provider two");
            operators[i] = makeAddr(i == 0 ? "operator one" : "operator two");
        }
        for (uint256 i = 0; i < LANES; ++i) {
            lanes[i] = keccak256(abi.encode("lane", i));
        }
    }

    function tools() external view returns (address escrow_, address usdc_) {
        return (address(escrow), address(usdc));
    }

    function payerAt(uint256 i) public view returns (address) {
        return _payers[i].addr;
    }

    function relayerAddress() external view returns (address) {
        return relayer;
    }

    function thiefAddress() external view returns (address) {
        return thief;
    }

    function pinnedSigner() external view returns (address) {
        return _pinned.addr;
    }

    function holderAt(uint256 i) public view returns (address) {
        if (i < PAYERS) return payerAt(i);
        return i == PAYERS ? relayer : thief;
    }

    function allowanceOf(uint256 p, uint256 v) public view returns (Allowance memory) {
        return escrow.allowance(payerAt(p), providers[v]);
    }

    function consumedOn(uint256 p, uint256 v, uint256 lane) public view returns (uint256) {
        return escrow.consumed(payerAt(p), providers[v], lanes[lane]);
    }

    /* SIGNATURES */

    /// @dev Whoever the allowance names signs, as it stands now.
    function signAs(uint256 p, uint256 v, Permit memory permit)
        internal
        view
        returns (Permit memory)
    {
        return signed(permit, allowanceOf(p, v).signer == address(0) ? _payers[p] : _pinned);
    }

    /// @dev The payer's one signature for `depositAndAllow`.
    function signOnboarding(uint256 p, Onboarding memory on) external returns (bytes memory) {
        payer = _payers[p];
        return onboardingSignature(on);
    }

    /// @dev A payer's message, good for an hour as the next one of that payer.
    function signMessage(uint256 p, Message memory message) external view returns (Message memory) {
        message.payer = payerAt(p);
        message.by.nonce = escrow.nonces(message.payer);
        message.by.deadline = uint64(block.timestamp + 1 hours);
        return signed(message, _payers[p]);
    }

    /// @dev The one call to the escrow; `this` sends it, since it does not matter who does.
    function send(Message memory message, uint256 fee, address to) external {
        relay(message, fee, to);
    }
}
