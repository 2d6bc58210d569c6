// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IEscrow} from "../interfaces/IEscrow.sol";
import {ExactTransfer} from "../libraries/ExactTransfer.sol";
import {Balances} from "./Balances.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title Earnings
/// @notice What providers have earned, and who may get it.
abstract contract Earnings is Balances {
    using ExactTransfer for IERC20;

    /// @dev What a provider may collect, and, in the same slot, whether it ever named a collector.
    struct Earned {
        uint128 amount;
        bool hasCollector;
    }

    /// @dev Who gets a provider's earnings; from `since` on, unless that is zero, `next`.
    struct Collector {
        address current;
        uint64 since;
        address next;
    }

    /// @inheritdoc IEscrow
    uint64 public constant COLLECTOR_DELAY = 3 days;

    mapping(address provider => Earned) private _earned;
    mapping(address provider => Collector) private _collectors;

    /// @inheritdoc IEscrow
    function collect(address to) external {
        _requireRecipient(to);
        Earned storage earnings = _earned[msg.sender];
        uint256 amount = earnings.amount;
        if (earnings.hasCollector) _requireCollector(msg.sender, to);
        earnings.amount = 0;
        emit Collected(msg.sender, to, amount);
        token.push(to, amount);
    }

    /// @inheritdoc IEscrow
    function setCollector(address collector) external {
        if (collector == address(this)) revert InvalidRecipient(collector);
        (address current,,) = collectorOf(msg.sender);
        bool isImmediate = current == address(0) || collector == current;
        uint64 since = uint64(block.timestamp) + (isImmediate ? 0 : COLLECTOR_DELAY);
        _collectors[msg.sender] = isImmediate
            ? Collector(collector, 0, address(0))
            : Collector(current, since, collector);
        _earned[msg.sender].hasCollector = true;
        emit CollectorSet(msg.sender, collector, since);
    }

    /// @inheritdoc IEscrow
    function collectorOf(address provider)
        public
        view
        returns (address collector, address next, uint64 since)
    {
        Collector storage named = _collectors[provider];
        (collector, since) = (named.current, named.since);
        if (since == 0) return (collector, address(0), 0);
        next = named.next;
        if (block.timestamp >= since) return (next, address(0), 0);
    }

    /// @inheritdoc IEscrow
    function earned(address provider) external view returns (uint256) {
        return _earned[provider].amount;
    }

    /// @param amount Below 2^128, as every sum that the escrow owes.
    function _earn(address provider, uint256 amount) internal {
        // forge-lint: disable-next-line(unsafe-typecast)
        _earned[provider].amount += uint128(amount);
    }

    /// @dev Takes back out of what was not collected.
    function _unearn(address provider, uint128 amount) internal {
        uint128 available = _earned[provider].amount;
        if (amount > available) revert InsufficientEarnings(available, amount);
        _earned[provider].amount = available - amount;
    }

    function _requireCollector(address provider, address to) private view {
        (address collector,,) = collectorOf(provider);
        if (collector != address(0) && to != collector) revert WrongCollector(collector);
    }
}
