// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {EscrowTest} from "../support/EscrowTest.sol";

/// @notice `setCollector` and `collect`: where a provider's earnings go, and how late a stolen
/// provider key can send them elsewhere.
contract EscrowCollectorTest is EscrowTest {
    uint64 private constant DELAY = 3 days;

    address private _treasury = makeAddr("treasury");
    address private _vault = makeAddr("vault");

    function setUp() public override {
        super.setUp();
        depositAndAllow();
        settle(permitOf(60), 60, PRICE);
    }

    function test_the_delay_is_published() public view {
        assertEq(escrow.COLLECTOR_DELAY(), DELAY);
    }

    function test_without_a_collector_earnings_go_where_the_provider_says() public {
        assertCollector(address(0), address(0), 0);
        assertCollects(_vault);
    }

    function test_the_first_collector_is_in_force_at_once() public {
        vm.expectEmit(address(escrow));
        emit IEscrow.CollectorSet(provider, _treasury, uint64(block.timestamp));
        name(_treasury);
        assertCollector(_treasury, address(0), 0);
        assertRefused(_vault, _treasury);
        assertRefused(provider, _treasury);
        assertCollects(_treasury);
    }

    function test_a_change_takes_the_delay_to_the_second() public {
        name(_treasury);
        uint64 since = uint64(block.timestamp) + DELAY;
        vm.expectEmit(address(escrow));
        emit IEscrow.CollectorSet(provider, _vault, since);
        name(_vault);
        assertCollector(_treasury, _vault, since);
        assertRefused(_vault, _treasury);
        vm.warp(since - 1);
        assertCollector(_treasury, _vault, since);
        assertRefused(_vault, _treasury);
        uint256 start = vm.snapshotState();
        assertCollects(_treasury);
        vm.revertToState(start);
        vm.warp(since);
        assertCollector(_vault, address(0), 0);
        assertRefused(_treasury, _vault);
        assertCollects(_vault);
    }

    function test_naming_the_one_in_force_again_cancels_a_change() public {
        name(_treasury);
        name(_vault);
        skip(DELAY - 1);
        vm.expectEmit(address(escrow));
        emit IEscrow.CollectorSet(provider, _treasury, uint64(block.timestamp));
        name(_treasury);
        skip(DELAY);
        assertCollector(_treasury, address(0), 0);
        assertRefused(_vault, _treasury);
    }

    function test_another_change_replaces_a_pending_one_and_starts_its_time_again() public {
        name(_treasury);
        name(_vault);
        skip(DELAY - 1);
        name(thief);
        assertCollector(_treasury, thief, uint64(block.timestamp) + DELAY);
        skip(1);
        assertRefused(_vault, _treasury);
        // Even to the one that was pending.
        name(thief);
        assertCollector(_treasury, thief, uint64(block.timestamp) + DELAY);
    }

    function test_after_a_change_the_next_one_takes_the_delay_too() public {
        name(_treasury);
        name(_vault);
        skip(DELAY);
        name(_treasury);
        assertCollector(_vault, _treasury, uint64(block.timestamp) + DELAY);
        assertCollects(_vault);
    }

    function test_zero_frees_the_earnings_after_the_delay_and_then_a_name_counts_at_once() public {
        name(_treasury);
        name(address(0));
        assertCollector(_treasury, address(0), uint64(block.timestamp) + DELAY);
        assertRefused(_vault, _treasury);
        skip(DELAY);
        assertCollector(address(0), address(0), 0);
        uint256 start = vm.snapshotState();
        assertCollects(_vault);
        vm.revertToState(start);
        name(_vault);
        assertCollector(_vault, address(0), 0);
    }

    function test_zero_without_a_collector_changes_nothing() public {
        vm.expectEmit(address(escrow));
        emit IEscrow.CollectorSet(provider, address(0), uint64(block.timestamp));
        name(address(0));
        assertCollector(address(0), address(0), 0);
        assertCollects(_vault);
    }

    function test_the_escrow_collects_for_nobody() public {
        bytes memory invalid =
            abi.encodeWithSelector(IEscrow.InvalidRecipient.selector, address(escrow));
        vm.startPrank(provider);
        vm.expectRevert(invalid);
        escrow.setCollector(address(escrow));
        vm.expectRevert(invalid);
        escrow.collect(address(escrow));
        vm.expectRevert(abi.encodeWithSelector(IEscrow.InvalidRecipient.selector, address(0)));
        escrow.collect(address(0));
    }

    function test_every_provider_has_a_collector_of_its_own() public {
        vm.prank(thief);
        escrow.setCollector(thief);
        assertCollector(address(0), address(0), 0);
        assertCollects(_treasury);
    }

    function test_earnings_after_a_collector_was_named_are_kept_and_collected() public {
        name(_treasury);
        settle(permitOf(61), 61, PRICE);
        assertEq(earned(), 61 * PRICE);
        assertCollects(_treasury);
        settle(permitOf(62), 62, PRICE);
        assertRefused(_vault, _treasury);
        assertCollects(_treasury);
    }

    /* STEPS */

    function name(address collector) private {
        vm.prank(provider);
        escrow.setCollector(collector);
    }

    function assertCollector(address collector, address next, uint64 since) private view {
        (address collector_, address next_, uint64 since_) = escrow.collectorOf(provider);
        assertEq(collector_, collector, "in force");
        assertEq(next_, next, "next");
        assertEq(since_, since, "since");
    }

    function assertRefused(address to, address collector) private {
        vm.prank(provider);
        vm.expectRevert(abi.encodeWithSelector(IEscrow.WrongCollector.selector, collector));
        escrow.collect(to);
    }

    function assertCollects(address to) private {
        (uint256 due, uint256 had) = (earned(), usdc.balanceOf(to));
        assertGt(due, 0);
        vm.expectEmit(address(escrow));
        emit IEscrow.Collected(provider, to, due);
        vm.prank(provider);
        escrow.collect(to);
        assertEq(usdc.balanceOf(to) - had, due);
        assertEq(earned(), 0);
    }
}
