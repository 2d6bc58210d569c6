// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Allowance, Permit} from "../../src/interfaces/EscrowTypes.sol";
import {People} from "./People.sol";

/// @notice What differs from permit to permit of a lane.
struct Terms {
    uint128 credits;
    uint128 price;
    uint32 epoch;
}

/// @notice What has happened, kept apart from the escrow and by a clock of its own: what flowed,
/// was signed, served, charged and given back, and which epochs, limits and collectors are in
/// force.
abstract contract Books is People {
    /* MONEY */

    uint256 public flowIn;
    uint256 public flowOut;
    uint256 public donated;

    function sent(uint256 amount) external {
        flowIn += amount;
    }

    function left(uint256 amount) external {
        flowOut += amount;
    }

    function gave(uint256 amount) external {
        donated += amount;
    }

    /* PERMITS */

    /// @dev The highest count that was signed for a lane in an epoch.
    mapping(bytes32 lane => mapping(uint32 epoch => uint256)) private _signedMax;
    mapping(bytes32 lane => Permit) private _permits;
    /// @dev The last permit of an earlier epoch.
    mapping(bytes32 lane => Permit) private _stalePermits;

    function laneKey(uint256 p, uint256 v, uint256 lane) public pure returns (bytes32) {
        return keccak256(abi.encode(p, v, lane));
    }

    function permitAt(uint256 p, uint256 v, uint256 lane) public view returns (Permit memory) {
        return _permits[laneKey(p, v, lane)];
    }

    function stalePermitAt(uint256 p, uint256 v, uint256 lane)
        external
        view
        returns (Permit memory)
    {
        return _stalePermits[laneKey(p, v, lane)];
    }

    function signPermit(uint256 p, uint256 v, uint256 lane, Terms memory terms)
        public
        returns (Permit memory permit)
    {
        (permit.payer, permit.provider, permit.lane) = (payerAt(p), providers[v], lanes[lane]);
        (permit.price, permit.credits) = (terms.price, terms.credits);
        (permit.deadline, permit.epoch) = (type(uint64).max, terms.epoch);
        permit = signAs(p, v, permit);
        bytes32 key = laneKey(p, v, lane);
        if (_permits[key].epoch < terms.epoch) _stalePermits[key] = _permits[key];
        _permits[key] = permit;
        uint256 most = _signedMax[key][terms.epoch];
        if (terms.credits > most) _signedMax[key][terms.epoch] = terms.credits;
    }

    /// @dev The most that was signed for a lane in the epochs in force.
    function signedMax(uint256 p, uint256 v, uint256 lane) public view returns (uint256) {
        (uint32 current, uint32 last) = epochsInForce(p, v);
        bytes32 key = laneKey(p, v, lane);
        uint256 old = _signedMax[key][current];
        uint256 fresh = _signedMax[key][last];
        return old > fresh ? old : fresh;
    }

    /* NOTICE */

    mapping(uint256 p => mapping(uint256 v => uint256)) private _revokedAt;
    mapping(uint256 p => mapping(uint256 v => uint256)) private _bumpedAt;
    mapping(uint256 p => mapping(uint256 v => uint32)) private _bumps;

    function revoked(uint256 p, uint256 v) external {
        _revokedAt[p][v] = block.timestamp;
    }

    function isRipe(uint256 p, uint256 v) external view returns (bool) {
        return block.timestamp >= _revokedAt[p][v] + THAWING_PERIOD;
    }

    function bumped(uint256 p, uint256 v) external {
        _bumpedAt[p][v] = block.timestamp;
        _bumps[p][v] += 1;
    }

    /// @dev The epoch in force, and the last one whose permits count.
    function epochsInForce(uint256 p, uint256 v) public view returns (uint32 current, uint32 last) {
        last = _bumps[p][v];
        bool isPending = last != 0 && block.timestamp < _bumpedAt[p][v] + THAWING_PERIOD;
        current = isPending ? last - 1 : last;
    }

    function isInForce(uint256 p, uint256 v, uint32 epoch) external view returns (bool) {
        (uint32 current, uint32 last) = epochsInForce(p, v);
        return epoch == current || epoch == last;
    }

    /* SERVICE */

    /// @dev Credits ever served on a lane; what is beyond its counter is not settled yet.
    mapping(bytes32 lane => uint256) private _served;

    function due(uint256 p, uint256 v, uint256 lane) public view returns (uint256) {
        uint256 served = _served[laneKey(p, v, lane)];
        uint256 settled = consumedOn(p, v, lane);
        return served > settled ? served - settled : 0;
    }

    /// @dev Credits that a careful provider would still serve.
    function available(uint256 p, uint256 v) public view returns (uint256) {
        Allowance memory held = allowanceOf(p, v);
        uint256 promised = held.thawingCredits;
        for (uint256 lane = 0; lane < LANES; ++lane) {
            promised += due(p, v, lane);
        }
        return promised < held.credits ? held.credits - promised : 0;
    }

    /// @dev Calls are served: the client advances its permit, the provider remembers them. A permit
    /// of any epoch in force will do.
    function serve(uint256 p, uint256 v, uint256 lane, uint256 credits, bool isLast) external {
        uint256 unsettled = due(p, v, lane);
        uint256 total = consumedOn(p, v, lane) + unsettled + credits;
        uint128 allowed = allowanceOf(p, v).pricePerCredit;
        uint128 price = unsettled == 0 ? allowed : permitAt(p, v, lane).price;
        (uint32 current, uint32 last) = epochsInForce(p, v);
        signPermit(p, v, lane, Terms(uint128(total), price, isLast ? last : current));
        _served[laneKey(p, v, lane)] = total;
    }

    /* CHARGES AND REFUNDS */

    mapping(bytes32 lane => uint256) private _charged;
    mapping(bytes32 lane => uint256) private _refunded;

    function charge(bytes32 lane, uint256 amount) internal {
        _charged[lane] += amount;
    }

    function refunded(uint256 p, uint256 v, uint256 lane, uint256 amount) external {
        _refunded[laneKey(p, v, lane)] += amount;
    }

    /// @dev What was charged on a lane and not refunded.
    function paidOn(uint256 p, uint256 v, uint256 lane) public view returns (uint256) {
        bytes32 key = laneKey(p, v, lane);
        return _charged[key] - _refunded[key];
    }

    /* OPERATORS */

    mapping(uint256 v => uint256) private _expiry;
    mapping(uint256 v => uint256) private _cap;
    mapping(uint256 v => mapping(uint256 day => uint256)) private _spent;

    function named(uint256 v, uint256 expiry, uint256 cap) external {
        (_expiry[v], _cap[v]) = (expiry, cap);
    }

    function maySettle(uint256 v, address by) public view returns (bool) {
        return by == providers[v] || (by == operators[v] && block.timestamp < _expiry[v]);
    }

    function isCapped(uint256 v, address by) public view returns (bool) {
        return by != providers[v] && _cap[v] != 0;
    }

    /// @dev What is left of today's cap.
    function room(uint256 v, address by) public view returns (uint256) {
        if (!isCapped(v, by)) return type(uint256).max;
        return spentToday(v) < _cap[v] ? _cap[v] - spentToday(v) : 0;
    }

    function spentToday(uint256 v) public view returns (uint256) {
        return _spent[v][block.timestamp / 86_400];
    }

    function spend(uint256 v, uint256 amount) internal {
        _spent[v][block.timestamp / 86_400] += amount;
    }

    /* COLLECTORS */

    mapping(uint256 v => address) private _collector;
    mapping(uint256 v => address) private _nextCollector;
    mapping(uint256 v => uint256) private _changesAt;

    function namedCollector(uint256 v, address collector) external {
        address current = collectorInForce(v);
        bool isImmediate = current == address(0) || current == collector;
        _collector[v] = isImmediate ? collector : current;
        _nextCollector[v] = collector;
        _changesAt[v] = block.timestamp + (isImmediate ? 0 : 3 days);
    }

    function collectorInForce(uint256 v) public view returns (address) {
        return block.timestamp < _changesAt[v] ? _collector[v] : _nextCollector[v];
    }
}
