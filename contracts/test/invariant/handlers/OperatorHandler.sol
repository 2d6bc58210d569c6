// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Allowance, Charge, Permit} from "../../../src/interfaces/EscrowTypes.sol";
import {Terms} from "../Books.sol";
import {Role, State, World} from "../World.sol";
import {Handler} from "./Handler.sol";
import {Settler} from "./Settler.sol";

/// @notice The hot keys: honest settlement within their limits, and charges at will.
contract OperatorHandler is Settler {
    constructor(World world_) Handler(world_) {}

    /// @dev What was served, as far as the cap goes; the provider's own key does the rest some day.
    function settleWithinLimits(uint256 v) external {
        v = aProvider(v);
        (Charge[] memory charges,) = dueRows(v);
        if (charges.length != 0) settle(v, charges, world.operators(v));
    }

    function consumeOne(uint256 p, uint256 v, uint256 price, bool isLast) external {
        (p, v) = (aPayer(p), aProvider(v));
        if (world.available(p, v) == 0) return;
        uint256 lane = world.SINGLE_LANE();
        Allowance memory now_ = world.allowanceOf(p, v);
        (uint32 current, uint32 last) = world.epochsInForce(p, v);
        Terms memory terms;
        terms.credits = uint128(world.consumedOn(p, v, lane) + 1);
        terms.price = now_.pricePerCredit;
        terms.epoch = isLast ? last : current;
        Permit memory permit = world.signPermit(p, v, lane, terms);
        _consumeOne(v, bound(price, 0, now_.pricePerCredit), permit);
    }

    /// @dev Charges what it likes, above the allowed price and beyond the permit too: rules 2 and
    /// 5.
    function settleAtWill(uint256 p, uint256 v, uint256 credits, uint128 price, uint32 epoch)
        external
    {
        (p, v) = (aPayer(p), aProvider(v));
        uint256 count = world.consumedOn(p, v, world.SINGLE_LANE());
        credits = bound(credits, count, count + world.available(p, v));
        Permit memory permit = _signAtWill(p, v, price, epoch);
        uint128 allowed = world.allowanceOf(p, v).pricePerCredit;
        Charge[] memory charges = new Charge[](2);
        charges[0] = Charge(permit, uint128(credits), allowed + price % 3);
        charges[1] = Charge(permit, uint128(credits), uint128(bound(price, 0, allowed)));
        settle(v, charges, world.operators(v));
    }

    /// @dev A permit of an earlier epoch charges nothing once that is over.
    function chargeStale(uint256 p, uint256 v, uint256 lane) external {
        (p, v, lane) = (aPayer(p), aProvider(v), lane % world.LANES());
        Permit memory permit = world.stalePermitAt(p, v, lane);
        if (permit.signature.length == 0 || world.isInForce(p, v, permit.epoch)) return;
        Charge[] memory charges = new Charge[](1);
        charges[0] = Charge(permit, permit.credits, 0);
        uint256 count = world.consumedOn(p, v, lane);
        settle(v, charges, world.operators(v));
        settle(v, charges, world.providers(v));
        world.check(2, world.consumedOn(p, v, lane) == count);
    }

    /* STEPS */

    /// @dev Not more than is left beside what the provider has promised to others, at times half of
    /// it; and of an epoch to come as well, which counts when it has come.
    function _signAtWill(uint256 p, uint256 v, uint128 price, uint32 epoch)
        private
        returns (Permit memory)
    {
        uint256 lane = world.SINGLE_LANE();
        uint256 most = world.consumedOn(p, v, lane) + world.available(p, v) / (1 + price % 2);
        uint128 allowed = world.allowanceOf(p, v).pricePerCredit;
        price = price % 5 < 3 ? allowed + 1 : allowed / 2;
        (, uint32 last) = world.epochsInForce(p, v);
        return world.signPermit(p, v, lane, Terms(uint128(most), price, last + epoch % 2));
    }

    /// @dev Works exactly within the operator's limits, and once.
    function _consumeOne(uint256 v, uint256 price, Permit memory permit)
        private
        held(Role.Charger)
    {
        address operator = world.operators(v);
        bool fits = world.maySettle(v, operator) && price <= world.room(v, operator);
        uint256 had = escrow.earned(permit.provider);
        State memory before = world.observe();
        vm.recordLogs();
        vm.prank(operator);
        try escrow.consume(price, permit) {
            world.enter(before, vm.getRecordedLogs(), price);
            world.enterSpent(v, operator, price);
            world.check(9, fits);
            world.check(5, escrow.earned(permit.provider) - had == price);
        } catch {
            world.check(9, !fits);
            return;
        }
        vm.prank(operator);
        try escrow.consume(price, permit) {
            world.check(4, false);
        } catch {
            world.check(4, true);
        }
    }
}
