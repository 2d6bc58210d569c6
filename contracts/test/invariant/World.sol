// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Allowance} from "../../src/interfaces/EscrowTypes.sol";
import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {Books} from "./Books.sol";
import {VmSafe} from "forge-std/Vm.sol";

/// @notice Who acts in a step; what the others must not notice depends on it. A relayed message is
/// its payer's step.
enum Role {
    Payer,
    Charger,
    Provider,
    Bystander
}

/// @notice Everything about the escrow that a step could change.
struct State {
    uint256[4] free;
    uint256[2] earned;
    Allowance[2][2] allowances;
    uint256[3][2][2] consumed;
}

/// @notice The rules that every step is held to. Handlers report broken ones by number; the
/// invariant test names them.
contract World is Books {
    uint256 public constant RULES = 10;

    /// @dev How often each rule was broken; and how often it was looked at, to know the test is
    /// one.
    mapping(uint256 rule => uint256) public broken;
    mapping(uint256 rule => uint256) public seen;

    function check(uint256 rule, bool holds) public {
        seen[rule] += 1;
        if (!holds) broken[rule] += 1;
    }

    function observe() public view returns (State memory state) {
        for (uint256 h = 0; h < HOLDERS; ++h) {
            state.free[h] = escrow.balanceOf(holderAt(h));
        }
        for (uint256 v = 0; v < PROVIDERS; ++v) {
            state.earned[v] = escrow.earned(providers[v]);
            for (uint256 p = 0; p < PAYERS; ++p) {
                state.allowances[p][v] = allowanceOf(p, v);
                for (uint256 lane = 0; lane < LANES; ++lane) {
                    state.consumed[p][v][lane] = consumedOn(p, v, lane);
                }
            }
        }
    }

    /// @dev Free balances, locked credits and earnings together.
    function claims() external view returns (uint256 sum) {
        State memory state = observe();
        for (uint256 h = 0; h < HOLDERS; ++h) {
            sum += state.free[h] + (h < PAYERS ? locked(state, h) : 0);
        }
        for (uint256 v = 0; v < PROVIDERS; ++v) {
            sum += state.earned[v];
        }
    }

    function locked(State memory state, uint256 p) private pure returns (uint256 sum) {
        for (uint256 v = 0; v < PROVIDERS; ++v) {
            Allowance memory held = state.allowances[p][v];
            sum += uint256(held.credits) * held.pricePerCredit;
        }
    }

    /// @dev Holds what was just done to the rules.
    /// @param role Who did it.
    /// @param actor The payer's index, of Role.Payer.
    /// @param spend The most that this payer signed away in it: withdrawn, or a relayer's fee.
    function compare(State memory before, Role role, uint256 actor, uint256 spend) external {
        State memory later = observe();
        for (uint256 h = 0; h < HOLDERS; ++h) {
            if (role != Role.Payer || h != actor) check(6, later.free[h] >= before.free[h]);
        }
        if (role == Role.Payer) {
            uint256 had = before.free[actor] + locked(before, actor);
            check(6, later.free[actor] + locked(later, actor) + spend >= had);
        }
        for (uint256 v = 0; v < PROVIDERS; ++v) {
            if (role != Role.Provider) check(10, later.earned[v] >= before.earned[v]);
            if (role != Role.Charger) check(5, later.earned[v] <= before.earned[v]);
            for (uint256 p = 0; p < PAYERS; ++p) {
                Allowance memory was = before.allowances[p][v];
                Allowance memory is_ = later.allowances[p][v];
                compareEpochs(p, v, was, is_);
                if (role == Role.Payer && p == actor) compareOwn(was, is_);
                else compareForeign(was, is_, role);
            }
        }
        compareLanes(before, later, role);
    }

    function compareLanes(State memory before, State memory later, Role role) private {
        uint256 gainMax = 0;
        for (uint256 p = 0; p < PAYERS; ++p) {
            for (uint256 v = 0; v < PROVIDERS; ++v) {
                uint128 allowed = before.allowances[p][v].pricePerCredit;
                for (uint256 lane = 0; lane < LANES; ++lane) {
                    (uint256 was, uint256 is_) =
                        (before.consumed[p][v][lane], later.consumed[p][v][lane]);
                    check(2, is_ == was || (role == Role.Charger && is_ > was));
                    if (is_ == was) continue;
                    check(2, is_ <= signedMax(p, v, lane));
                    uint128 price = permitAt(p, v, lane).price;
                    gainMax += (is_ - was) * (price < allowed ? price : allowed);
                }
            }
        }
        uint256 gain = later.earned[0] + later.earned[1];
        uint256 had = before.earned[0] + before.earned[1];
        if (gain > had) check(5, gain - had <= gainMax);
    }

    /// @dev Nothing but its time ends an epoch, whoever acts: what was served is not voided.
    function compareEpochs(uint256 p, uint256 v, Allowance memory was, Allowance memory is_)
        private
    {
        (uint32 current, uint32 last) = epochsInForce(p, v);
        check(3, is_.epoch == current && (is_.epochEnd == 0) == (last == current));
        check(3, is_.epoch == was.epoch);
        check(3, was.epochEnd == 0 || is_.epochEnd == was.epochEnd);
    }

    /// @dev What a payer's own step may do to its allowance.
    function compareOwn(Allowance memory was, Allowance memory is_) private {
        if (was.credits == 0) return;
        bool isOver = was.thawEnd != 0 && block.timestamp >= was.thawEnd;
        uint256 least = isOver ? was.credits - was.thawingCredits : was.credits;
        check(3, is_.credits >= least && is_.pricePerCredit >= was.pricePerCredit);
        check(3, is_.signer == was.signer);
        check(3, is_.thawEnd == 0 || is_.thawEnd >= was.thawEnd);
    }

    /// @dev Others change nothing, except that a charge takes credits.
    function compareForeign(Allowance memory was, Allowance memory is_, Role role) private {
        if (role == Role.Charger) {
            check(6, is_.credits <= was.credits && is_.thawingCredits <= was.thawingCredits);
            (was.credits, was.thawingCredits) = (is_.credits, is_.thawingCredits);
            if (is_.thawingCredits == 0) was.thawEnd = 0;
        }
        check(6, keccak256(abi.encode(is_)) == keccak256(abi.encode(was)));
    }

    /* CHARGES */

    /// @dev Enters what a settlement said that it charged, and holds it to what moved.
    /// @param before What the escrow was.
    /// @param amount What the settlement earned.
    function enter(State memory before, VmSafe.Log[] memory logs, uint256 amount) external {
        State memory later = observe();
        uint256[2] memory charged;
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] != IEscrow.Charged.selector) continue;
            (uint256 p, uint256 v, uint256 lane) = whereOf(logs[i]);
            (uint256 credits,, uint256 price) =
                abi.decode(logs[i].data, (uint256, uint256, uint256));
            charge(laneKey(p, v, lane), credits * price);
            charged[p] += credits * price;
        }
        check(5, charged[0] + charged[1] == amount);
        for (uint256 p = 0; p < PAYERS; ++p) {
            uint256 had = before.free[p] + locked(before, p);
            check(5, later.free[p] + locked(later, p) + charged[p] == had);
        }
        comparePaid();
    }

    /// @dev The escrow knows what may still be refunded.
    function comparePaid() public {
        for (uint256 p = 0; p < PAYERS; ++p) {
            for (uint256 v = 0; v < PROVIDERS; ++v) {
                for (uint256 lane = 0; lane < LANES; ++lane) {
                    uint256 paid = escrow.paid(payerAt(p), providers[v], lanes[lane]);
                    check(8, paid == paidOn(p, v, lane));
                }
            }
        }
    }

    /// @dev Counts what `by` settled for a provider against its cap.
    function enterSpent(uint256 v, address by, uint256 amount) external {
        check(9, maySettle(v, by) && amount <= room(v, by));
        if (isCapped(v, by)) spend(v, amount);
        (,, uint88 spent) = escrow.operatorLimits(providers[v], operators[v]);
        check(9, spent == spentToday(v));
    }

    function whereOf(VmSafe.Log memory log)
        private
        view
        returns (uint256 p, uint256 v, uint256 lane)
    {
        p = log.topics[1] == bytes32(uint256(uint160(payerAt(0)))) ? 0 : 1;
        v = log.topics[2] == bytes32(uint256(uint160(providers[0]))) ? 0 : 1;
        while (lanes[lane] != log.topics[3]) ++lane;
    }
}
