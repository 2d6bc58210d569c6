// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Allowance} from "../../../src/interfaces/EscrowTypes.sol";
import {Role, World} from "../World.sol";
import {Handler} from "./Handler.sol";
import {Settler} from "./Settler.sol";

/// @notice A careful provider: serves against promises, settles in time, gives back, collects, and
/// says who may.
contract ProviderHandler is Settler {
    uint256 private constant CAP_MAX = 1e8;

    address[3] private _treasuries = [address(0), makeAddr("treasury"), makeAddr("vault")];

    constructor(World world_) Handler(world_) {}

    function serve(uint256 p, uint256 v, uint256 lane, uint256 credits, bool isLast) external {
        (p, v, lane) = (aPayer(p), aProvider(v), lane % SERVED_LANES);
        uint256 available = world.available(p, v);
        if (available != 0) world.serve(p, v, lane, bound(credits, 1, 1 + available / 4), isLast);
    }

    function settle(uint256 v) external {
        settleAll(aProvider(v));
    }

    function wait(uint256 time) external {
        _wait(bound(time, 1, 2 days));
    }

    /// @dev To the second in which something ends, or to the one before.
    function waitFor(uint256 p, uint256 v, uint256 what, bool isBefore) external {
        (p, v) = (aPayer(p), aProvider(v));
        uint256 end = (block.timestamp / 1 days + 1) * 1 days;
        if (what % 4 == 1) end = world.allowanceOf(p, v).thawEnd;
        if (what % 4 == 2) end = world.allowanceOf(p, v).epochEnd;
        if (what % 4 == 3) (,, end) = escrow.collectorOf(world.providers(v));
        uint256 to = isBefore ? end - (end == 0 ? 0 : 1) : end;
        if (to > block.timestamp) _wait(to - block.timestamp);
    }

    /// @dev Works exactly up to what was charged on the lane and not refunded, and what there is.
    function refund(uint256 p, uint256 v, uint256 lane, uint256 amount) external {
        (p, v, lane) = (aPayer(p), aProvider(v), lane % world.LANES());
        uint256 paid = world.paidOn(p, v, lane);
        _refund(p, v, lane, bound(amount, 0, paid + 1));
    }

    /// @dev To the collector, or to anybody while there is none.
    function collect(uint256 v, uint256 to) external {
        v = aProvider(v);
        _collect(v, to % 4 == 0 ? world.providers(v) : _treasuries[1 + to % 2]);
    }

    function setCollector(uint256 v, uint256 to) external held(Role.Provider) {
        v = aProvider(v);
        address collector = _treasuries[to % _treasuries.length];
        vm.prank(world.providers(v));
        escrow.setCollector(collector);
        world.namedCollector(v, collector);
        (address current,,) = escrow.collectorOf(world.providers(v));
        world.check(10, current == world.collectorInForce(v));
    }

    /// @dev Mostly for ever, at times for hours, at times dismissed; half of them capped.
    function setOperator(uint256 v, uint256 time, uint256 cap) external held(Role.Provider) {
        v = aProvider(v);
        uint48 expiry = type(uint48).max;
        if (time % 6 == 0) expiry = 0;
        if (time % 6 == 1) expiry = uint48(block.timestamp + bound(time, 1, 2 days));
        uint88 dailyCap = cap % 2 == 0 ? 0 : uint88(bound(cap, 1, CAP_MAX));
        address operator = world.operators(v);
        vm.prank(world.providers(v));
        escrow.setOperator(operator, expiry, dailyCap);
        world.named(v, expiry, dailyCap);
    }

    /* STEPS */

    /// @dev Time passes; but a provider settles before credits that it served against thaw, and
    /// before an epoch that it served in ends.
    function _wait(uint256 time) private {
        for (uint256 v = 0; v < world.PROVIDERS(); ++v) {
            for (uint256 p = 0; p < world.PAYERS(); ++p) {
                Allowance memory now_ = world.allowanceOf(p, v);
                if (isWithin(now_.thawEnd, time) || isWithin(now_.epochEnd, time)) {
                    settleAll(v);
                    break;
                }
            }
        }
        skip(time);
    }

    function isWithin(uint64 end, uint256 time) private view returns (bool) {
        return end != 0 && end <= block.timestamp + time;
    }

    function _refund(uint256 p, uint256 v, uint256 lane, uint256 amount)
        private
        held(Role.Provider)
    {
        (address payer, address provider) = (world.payerAt(p), world.providers(v));
        bytes32 where = world.lanes(lane);
        (uint256 free, uint256 earned) = (escrow.balanceOf(payer), escrow.earned(provider));
        bool fits = amount <= world.paidOn(p, v, lane) && amount <= earned;
        vm.prank(provider);
        try escrow.refund(payer, where, amount) {
            world.refunded(p, v, lane, amount);
            world.check(8, fits && escrow.balanceOf(payer) == free + amount);
            world.check(8, escrow.earned(provider) == earned - amount);
        } catch {
            world.check(8, !fits);
        }
        world.comparePaid();
    }

    function _collect(uint256 v, address to) private held(Role.Provider) {
        address provider = world.providers(v);
        address collector = world.collectorInForce(v);
        (uint256 due, uint256 had) = (escrow.earned(provider), usdc.balanceOf(to));
        vm.prank(provider);
        try escrow.collect(to) {
            world.check(10, collector == address(0) || collector == to);
            world.check(10, usdc.balanceOf(to) == had + due && escrow.earned(provider) == 0);
            world.left(due);
        } catch {
            world.check(10, collector != address(0) && collector != to);
        }
    }
}
