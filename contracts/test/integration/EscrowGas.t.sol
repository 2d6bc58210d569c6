// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Charge} from "../../src/interfaces/IEscrow.sol";
import {EscrowTest} from "../support/EscrowTest.sol";

/// @notice What each call costs, as a transaction of its own (21,000 and calldata included), with
/// the real USDC. The figures are committed in `contracts/snapshots`.
/// forge-config: default.isolate = true
contract EscrowGasTest is EscrowTest {
    string private constant GROUP = "Escrow";
    uint256 private constant BATCH = 50;
    /// @dev Most gas that a warm lane may cost in a batch of 50.
    uint256 private constant WARM_LANE_GAS_MAX = 25_000;

    function setUp() public override {
        super.setUp();
        deposit(1000e6);
    }

    function test_gas_of_the_payers_calls() public {
        deposit(1e6);
        vm.snapshotGasLastCall(GROUP, "deposit");
        allow(PRICE, CREDITS, address(0));
        vm.snapshotGasLastCall(GROUP, "allow");
        allow(PRICE, CREDITS + 1, address(0));
        vm.snapshotGasLastCall(GROUP, "allow, more credits");
        revoke(10);
        vm.snapshotGasLastCall(GROUP, "revoke");
        skip(THAWING_PERIOD);
        reclaim();
        vm.snapshotGasLastCall(GROUP, "reclaim");
        vm.prank(payer.addr);
        escrow.withdraw(1e6, payer.addr);
        vm.snapshotGasLastCall(GROUP, "withdraw");
        Onboarding memory on = onboarding();
        onboard(on, onboardingSignature(on));
        vm.snapshotGasLastCall(GROUP, "depositAndAllow");
    }

    function test_gas_of_a_single_consume() public {
        allow(PRICE, CREDITS, address(0));
        consume(PRICE, permitOf(9));
        vm.snapshotGasLastCall(GROUP, "consume, first of a provider");
        consume(PRICE, permitOf(9));
        vm.snapshotGasLastCall(GROUP, "consume, warm lane");
        vm.prank(provider);
        escrow.collect(provider);
        vm.snapshotGasLastCall(GROUP, "collect");
    }

    function test_gas_of_a_batch_of_50_lanes() public {
        allow(PRICE, 1_000_000, address(0));
        settle(lanesOf(1));
        vm.snapshotGasLastCall(GROUP, "consume, 50 new lanes");
        settle(lanesOf(100));
        uint256 gas = vm.snapshotGasLastCall(GROUP, "consume, 50 warm lanes");
        assertLe(gas / BATCH, WARM_LANE_GAS_MAX);
        vm.snapshotValue(GROUP, "a warm lane of 50", gas / BATCH);
        vm.snapshotValue(GROUP, "a request, 100 on each of 50 lanes", gas / BATCH / 100);
        settle(lanesOf(100));
        vm.snapshotGasLastCall(GROUP, "consume, 50 lanes again");
    }

    function lanesOf(uint128 credits) private view returns (Charge[] memory charges) {
        charges = new Charge[](BATCH);
        for (uint256 i = 0; i < BATCH; ++i) {
            bytes32 lane = keccak256(abi.encode(i));
            charges[i] = Charge(signed(unsigned(lane, PRICE, credits), payer), credits, PRICE);
        }
    }
}
