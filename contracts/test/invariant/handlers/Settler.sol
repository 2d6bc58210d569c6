// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Charge, Permit} from "../../../src/interfaces/EscrowTypes.sol";
import {Role, State, World} from "../World.sol";
import {Handler} from "./Handler.sol";

/// @notice How a provider's rows are settled, whoever does it.
abstract contract Settler is Handler {
    /// @dev Lanes that are served off chain; the last one is charged call by call.
    uint256 internal constant SERVED_LANES = 2;

    /// @dev Everything served is charged in full, at the price it was served at: what the
    /// operator may not settle, the provider's own key does.
    function settleAll(uint256 v) internal {
        (Charge[] memory charges, uint256 due) = dueRows(v);
        if (charges.length == 0) return;
        uint256 amount = settle(v, charges, world.operators(v));
        amount += settle(v, charges, world.providers(v));
        world.check(3, amount == due);
    }

    /// @dev What was served and not settled.
    function dueRows(uint256 v) internal view returns (Charge[] memory charges, uint256 due) {
        charges = new Charge[](world.PAYERS() * SERVED_LANES);
        uint256 count = 0;
        for (uint256 p = 0; p < world.PAYERS(); ++p) {
            for (uint256 lane = 0; lane < SERVED_LANES; ++lane) {
                uint256 credits = world.due(p, v, lane);
                if (credits == 0) continue;
                Permit memory permit = world.permitAt(p, v, lane);
                charges[count++] = Charge(permit, permit.credits, permit.price);
                due += credits * permit.price;
            }
        }
        assembly ("memory-safe") {
            mstore(charges, count)
        }
    }

    /// @dev Settles twice: the second time must change nothing (rule 4). Whoever may not settle
    /// is refused (rule 9).
    function settle(uint256 v, Charge[] memory charges, address by)
        internal
        held(Role.Charger)
        returns (uint256 amount)
    {
        if (!world.maySettle(v, by)) {
            expectRefusal(charges, by);
            return 0;
        }
        State memory before = world.observe();
        vm.recordLogs();
        vm.prank(by);
        amount = escrow.consume(charges);
        world.enter(before, vm.getRecordedLogs(), amount);
        world.enterSpent(v, by, amount);
        // Rows that were beyond the cap are so still, and those that were not are done.
        bytes32 once = keccak256(abi.encode(world.observe()));
        vm.prank(by);
        uint256 again = escrow.consume(charges);
        world.check(4, again == 0 && keccak256(abi.encode(world.observe())) == once);
    }

    function expectRefusal(Charge[] memory charges, address by) private {
        vm.prank(by);
        try escrow.consume(charges) {
            world.check(9, false);
        } catch {
            world.check(9, true);
        }
    }
}
