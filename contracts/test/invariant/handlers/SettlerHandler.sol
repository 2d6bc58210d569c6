// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Allowance, Charge, Permit} from "../../../src/interfaces/EscrowTypes.sol";
import {Role, State, World} from "../World.sol";
import {Handler} from "./Handler.sol";

/// @notice A provider and its operator: serve against promises, settle in time, collect.
contract SettlerHandler is Handler {
    /// @dev Lanes that are served off chain; the last one is charged call by call.
    uint256 private constant SERVED_LANES = 2;

    constructor(World world_) Handler(world_) {}

    function serve(uint256 p, uint256 v, uint256 lane, uint256 credits) external {
        (p, v, lane) = (p % world.PAYERS(), v % world.PROVIDERS(), lane % SERVED_LANES);
        uint256 available = world.available(p, v);
        if (available != 0) world.serve(p, v, lane, bound(credits, 1, available));
    }

    function settle(uint256 v) external {
        _settleAll(v % world.PROVIDERS());
    }

    /// @dev Time passes; but a provider settles before credits that it served against thaw.
    function wait(uint256 time) external {
        time = bound(time, 1, 2 days);
        for (uint256 v = 0; v < world.PROVIDERS(); ++v) {
            for (uint256 p = 0; p < world.PAYERS(); ++p) {
                uint64 thawEnd = world.allowanceOf(p, v).thawEnd;
                if (thawEnd != 0 && thawEnd <= block.timestamp + time) {
                    _settleAll(v);
                    break;
                }
            }
        }
        skip(time);
    }

    function consumeOne(uint256 p, uint256 v, uint256 price) external {
        (p, v) = (p % world.PAYERS(), v % world.PROVIDERS());
        if (world.available(p, v) == 0) return;
        uint256 lane = world.SINGLE_LANE();
        Allowance memory now_ = world.allowanceOf(p, v);
        price = bound(price, 0, now_.pricePerCredit);
        uint256 next = escrow.consumed(world.payerAt(p), world.providers(v), world.lanes(lane)) + 1;
        Permit memory permit = world.signPermit(p, v, lane, uint128(next), now_.pricePerCredit);
        _consumeOne(v, price, permit);
    }

    /// @dev A provider that charges what it likes, above the allowed price and beyond the permit
    /// too: rules 2 and 5.
    function settleAtWill(uint256 p, uint256 v, uint256 credits, uint128 price) external {
        (p, v) = (p % world.PAYERS(), v % world.PROVIDERS());
        uint256 lane = world.SINGLE_LANE();
        uint128 allowed = world.allowanceOf(p, v).pricePerCredit;
        uint256 count = escrow.consumed(world.payerAt(p), world.providers(v), world.lanes(lane));
        // Not more than is left beside what it has promised to others; at times all of it signed.
        uint256 left = world.available(p, v);
        credits = bound(credits, count, count + left);
        uint128 most = uint128(count + (price % 2 == 0 ? left : left / 2));
        Permit memory permit =
            world.signPermit(p, v, lane, most, price % 5 < 3 ? allowed + 1 : allowed / 2);
        Charge[] memory charges = new Charge[](2);
        charges[0] = Charge(permit, uint128(credits), allowed + price % 3);
        charges[1] = Charge(permit, uint128(credits), uint128(bound(price, 0, allowed)));
        _settle(v, charges);
    }

    function collect(uint256 v) external held(Role.Settler, 0) {
        address provider = world.providers(v % world.PROVIDERS());
        uint256 amount = escrow.earned(provider);
        vm.prank(provider);
        escrow.collect(provider);
        world.left(amount);
    }

    /* STEPS */

    /// @dev Everything served is charged in full, at the price it was served at: rule 3, as a
    /// provider sees it.
    function _settleAll(uint256 v) private {
        (Charge[] memory charges, uint256 due) = _due(v);
        if (charges.length == 0) return;
        world.check(3, _settle(v, charges) == due);
    }

    function _due(uint256 v) private returns (Charge[] memory charges, uint256 due) {
        charges = new Charge[](world.PAYERS() * SERVED_LANES);
        uint256 count = 0;
        for (uint256 p = 0; p < world.PAYERS(); ++p) {
            for (uint256 lane = 0; lane < SERVED_LANES; ++lane) {
                uint256 credits = world.outstanding(p, v, lane);
                if (credits == 0) continue;
                Permit memory permit = world.permitAt(p, v, lane);
                charges[count++] = Charge(permit, permit.credits, permit.price);
                due += credits * permit.price;
                world.settled(p, v, lane);
            }
        }
        assembly ("memory-safe") {
            mstore(charges, count)
        }
    }

    /// @dev Settles twice: the second time must change nothing (rule 4).
    function _settle(uint256 v, Charge[] memory charges)
        private
        held(Role.Settler, 0)
        returns (uint256 amount)
    {
        address operator = world.operators(v);
        vm.prank(operator);
        amount = escrow.consume(charges);
        bytes32 once = keccak256(abi.encode(world.observe()));
        vm.prank(operator);
        uint256 again = escrow.consume(charges);
        world.check(4, again == 0 && keccak256(abi.encode(world.observe())) == once);
    }

    function _consumeOne(uint256 v, uint256 price, Permit memory permit)
        private
        held(Role.Settler, 0)
    {
        address operator = world.operators(v);
        uint256 had = escrow.earned(permit.provider);
        vm.prank(operator);
        escrow.consume(price, permit);
        world.check(5, escrow.earned(permit.provider) - had == price);
        vm.prank(operator);
        try escrow.consume(price, permit) {
            world.check(4, false);
        } catch {
            world.check(4, true);
        }
    }
}
