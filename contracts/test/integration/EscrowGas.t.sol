// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Charge} from "../../src/interfaces/EscrowTypes.sol";
import {Kind, Message, RelayTest} from "../support/RelayTest.sol";

/// @notice What each call costs, as a transaction of its own (21,000 and calldata included), with
/// the real USDC. The figures are committed in `contracts/snapshots`. Where `baseline.json` has one
/// too, a batch may cost 3 % more than there, and a transaction alone 6,000 gas more.
/// forge-config: default.isolate = true
contract EscrowGasTest is RelayTest {
    string private constant GROUP = "Escrow";
    uint256 private constant BATCH = 50;
    /// @dev Most gas that a warm lane may cost in a batch of 50.
    uint256 private constant WARM_LANE_GAS_MAX = 25_000;
    uint256 private constant BATCH_PERCENT_MAX = 103;
    uint256 private constant ALONE_MORE_MAX = 6000;

    string private _baseline;

    function setUp() public override {
        super.setUp();
        _baseline = vm.readFile("contracts/snapshots/baseline.json");
        deposit(1000e6);
    }

    function test_gas_of_the_payers_calls() public {
        deposit(1e6);
        holdAlone("deposit");
        allow(PRICE, CREDITS, address(0));
        holdAlone("allow");
        allow(PRICE, CREDITS + 1, address(0));
        holdAlone("allow, more credits");
        revoke(10);
        holdAlone("revoke");
        bumpEpoch();
        holdAlone("bumpEpoch");
        skip(THAWING_PERIOD);
        reclaim();
        holdAlone("reclaim");
        vm.prank(payer.addr);
        escrow.withdraw(1e6, payer.addr);
        holdAlone("withdraw");
        Onboarding memory on = onboarding();
        onboard(on, onboardingSignature(on));
        holdAlone("depositAndAllow");
    }

    /// @dev Of a payer and a relayer that have sent messages before.
    function test_gas_of_messages() public {
        allow(PRICE, CREDITS, address(0));
        send(Kind.Withdraw);
        send(Kind.Revoke);
        holdAlone("revokeFor");
        send(Kind.BumpEpoch);
        holdAlone("bumpEpochFor");
        skip(THAWING_PERIOD);
        send(Kind.Reclaim);
        holdAlone("reclaimFor");
        send(Kind.Withdraw);
        holdAlone("withdrawFor");
    }

    function test_gas_of_a_single_consume() public {
        allow(PRICE, CREDITS, address(0));
        consume(PRICE, permitOf(9));
        holdAlone("consume, first of a provider");
        consume(PRICE, permitOf(9));
        holdAlone("consume, warm lane");
        vm.prank(provider);
        escrow.refund(payer.addr, LANE, 1);
        holdAlone("refund");
        vm.prank(provider);
        escrow.collect(provider);
        holdAlone("collect");
    }

    function test_gas_of_the_providers_settings() public {
        allow(PRICE, CREDITS, address(0));
        vm.startPrank(provider);
        escrow.setOperator(thief, type(uint48).max, 1e6);
        holdAlone("setOperator");
        escrow.setCollector(provider);
        holdAlone("setCollector, first");
        escrow.setCollector(thief);
        holdAlone("setCollector, a change");
        vm.stopPrank();
        consume(PRICE, permitOf(9));
        vm.prank(provider);
        escrow.collect(provider);
        holdAlone("collect, to a collector");
    }

    function test_gas_of_a_batch_of_50_lanes() public {
        allow(PRICE, 1_000_000, address(0));
        settle(lanesOf(1));
        holdBatch("consume, 50 new lanes");
        settle(lanesOf(100));
        uint256 gas = holdBatch("consume, 50 warm lanes");
        assertLe(gas / BATCH, WARM_LANE_GAS_MAX);
        vm.snapshotValue(GROUP, "a warm lane of 50", gas / BATCH);
        vm.snapshotValue(GROUP, "a request, 100 on each of 50 lanes", gas / BATCH / 100);
        settle(lanesOf(100));
        holdBatch("consume, 50 lanes again");
    }

    function test_gas_of_a_batch_under_a_cap() public {
        allow(PRICE, 1_000_000, address(0));
        vm.prank(provider);
        escrow.setOperator(operator, type(uint48).max, type(uint88).max);
        settle(lanesOf(1));
        settle(lanesOf(100));
        holdBatch("consume, 50 warm lanes under a cap");
    }

    /* STEPS */

    function holdAlone(string memory what) private {
        uint256 gas = vm.snapshotGasLastCall(GROUP, what);
        if (isInBaseline(what)) assertLe(gas, baselineOf(what) + ALONE_MORE_MAX, what);
    }

    function holdBatch(string memory what) private returns (uint256 gas) {
        gas = vm.snapshotGasLastCall(GROUP, what);
        if (!isInBaseline(what)) return gas;
        assertLe(gas, baselineOf(what) * BATCH_PERCENT_MAX / 100, what);
    }

    function isInBaseline(string memory what) private view returns (bool) {
        return vm.keyExistsJson(_baseline, at(what));
    }

    function baselineOf(string memory what) private view returns (uint256) {
        return vm.parseJsonUint(_baseline, at(what));
    }

    function at(string memory what) private pure returns (string memory) {
        return string.concat("$['", what, "']");
    }

    function send(Kind kind) private {
        Message memory message = signed(messageOf(kind), payer);
        vm.prank(relayer);
        relay(message, FEE_MAX, relayer);
    }

    function lanesOf(uint128 credits) private view returns (Charge[] memory charges) {
        charges = new Charge[](BATCH);
        for (uint256 i = 0; i < BATCH; ++i) {
            bytes32 lane = keccak256(abi.encode(i));
            charges[i] = Charge(signed(unsigned(lane, PRICE, credits), payer), credits, PRICE);
        }
    }
}
