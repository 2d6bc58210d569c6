// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Allowance, Permit} from "../../src/interfaces/EscrowTypes.sol";
import {EscrowTest} from "../support/EscrowTest.sol";
import {VmSafe} from "forge-std/Vm.sol";

/// @notice Who acts in a step; what the others must not notice depends on it.
enum Role {
    Payer,
    Settler,
    Bystander
}

/// @notice Everything about the escrow that a step could change.
struct State {
    uint256[2] free;
    uint256[2] earned;
    Allowance[2][2] allowances;
    uint256[3][2][2] consumed;
}

/// @notice The people, what they have signed and served, and the rules that every step is held to.
/// Handlers report broken rules by number; the invariant test names them.
contract World is EscrowTest {
    uint256 public constant PAYERS = 2;
    uint256 public constant PROVIDERS = 2;
    uint256 public constant LANES = 3;
    /// @dev The lane that `consume` of a single permit uses; the others are settled in batches.
    uint256 public constant SINGLE_LANE = 2;

    VmSafe.Wallet[PAYERS] private _payers;
    VmSafe.Wallet private _pinned;
    address[PROVIDERS] public providers;
    address[PROVIDERS] public operators;
    bytes32[LANES] public lanes;

    /// @dev How often each rule was broken; and how often it was looked at, to know the test is
    /// one.
    mapping(uint256 rule => uint256) public broken;
    mapping(uint256 rule => uint256) public seen;

    /* GHOSTS */

    uint256 public flowIn;
    uint256 public flowOut;
    uint256 public donated;
    mapping(uint256 payer => mapping(uint256 provider => mapping(uint256 lane => uint256))) public
        signedMax;
    mapping(uint256 payer => mapping(uint256 provider => mapping(uint256 lane => Permit))) private
        _permits;
    /// @dev Credits served off chain and not settled yet.
    mapping(uint256 payer => mapping(uint256 provider => mapping(uint256 lane => uint256))) public
        outstanding;
    mapping(uint256 payer => mapping(uint256 provider => uint256)) public revokedAt;

    constructor() {
        setUp();
        _pinned = vm.createWallet("pinned signer");
        string[PAYERS] memory names = ["anna", "ben"];
        for (uint256 i = 0; i < PAYERS; ++i) {
            _payers[i] = vm.createWallet(names[i]);
            mint(_payers[i].addr, 1e30);
            vm.prank(_payers[i].addr);
            usdc.approve(address(escrow), type(uint256).max);
        }
        for (uint256 i = 0; i < PROVIDERS; ++i) {
            providers[i] = makeAddr(i == 0 ? "provider one" : "provider two");
            operators[i] = makeAddr(i == 0 ? "operator one" : "operator two");
            vm.prank(providers[i]);
            escrow.setOperator(operators[i], type(uint48).max, 0);
        }
        for (uint256 i = 0; i < LANES; ++i) {
            lanes[i] = keccak256(abi.encode("lane", i));
        }
    }

    function tools() external view returns (address escrow_, address usdc_) {
        return (address(escrow), address(usdc));
    }

    function payerAt(uint256 i) public view returns (address) {
        return _payers[i].addr;
    }

    function pinnedSigner() external view returns (address) {
        return _pinned.addr;
    }

    function allowanceOf(uint256 p, uint256 v) public view returns (Allowance memory) {
        return escrow.allowance(payerAt(p), providers[v]);
    }

    function permitAt(uint256 p, uint256 v, uint256 lane) external view returns (Permit memory) {
        return _permits[p][v][lane];
    }

    /* GHOST STEPS */

    function sent(uint256 amount) external {
        flowIn += amount;
    }

    function left(uint256 amount) external {
        flowOut += amount;
    }

    function gave(uint256 amount) external {
        donated += amount;
    }

    function revoked(uint256 p, uint256 v) external {
        revokedAt[p][v] = block.timestamp;
    }

    function settled(uint256 p, uint256 v, uint256 lane) external {
        outstanding[p][v][lane] = 0;
    }

    /// @dev Credits that a careful provider would still serve.
    function available(uint256 p, uint256 v) public view returns (uint256) {
        Allowance memory held = allowanceOf(p, v);
        uint256 promised = held.thawingCredits;
        for (uint256 lane = 0; lane < LANES; ++lane) {
            promised += outstanding[p][v][lane];
        }
        return promised < held.credits ? held.credits - promised : 0;
    }

    /// @dev A call is served: the client advances its permit, the provider remembers it.
    function serve(uint256 p, uint256 v, uint256 lane, uint256 credits) external {
        uint256 due = outstanding[p][v][lane];
        uint256 total = escrow.consumed(payerAt(p), providers[v], lanes[lane]) + due + credits;
        Allowance memory held = allowanceOf(p, v);
        uint128 price = due == 0 ? held.pricePerCredit : _permits[p][v][lane].price;
        signPermit(p, v, lane, uint128(total), price);
        outstanding[p][v][lane] = due + credits;
    }

    /// @dev Whoever the allowance names signs, as it stands now.
    function signPermit(uint256 p, uint256 v, uint256 lane, uint128 credits, uint128 price)
        public
        returns (Permit memory permit)
    {
        permit = Permit(
            payerAt(p), providers[v], lanes[lane], price, credits, type(uint64).max, 0, ""
        );
        VmSafe.Wallet memory wallet = allowanceOf(p, v).signer == address(0) ? _payers[p] : _pinned;
        permit = signed(permit, wallet);
        _permits[p][v][lane] = permit;
        if (credits > signedMax[p][v][lane]) signedMax[p][v][lane] = credits;
    }

    /// @dev The payer's one signature for `depositAndAllow`.
    function signOnboarding(uint256 p, Onboarding memory on) external returns (bytes memory) {
        payer = _payers[p];
        return onboardingSignature(on);
    }

    /* RULES */

    function check(uint256 rule, bool holds) public {
        seen[rule] += 1;
        if (!holds) broken[rule] += 1;
    }

    function observe() public view returns (State memory state) {
        for (uint256 p = 0; p < PAYERS; ++p) {
            state.free[p] = escrow.balanceOf(payerAt(p));
            for (uint256 v = 0; v < PROVIDERS; ++v) {
                state.allowances[p][v] = allowanceOf(p, v);
                for (uint256 l = 0; l < LANES; ++l) {
                    state.consumed[p][v][l] = escrow.consumed(payerAt(p), providers[v], lanes[l]);
                }
            }
        }
        for (uint256 v = 0; v < PROVIDERS; ++v) {
            state.earned[v] = escrow.earned(providers[v]);
        }
    }

    /// @dev Free balances, locked credits and earnings together.
    function claims() public view returns (uint256 sum) {
        State memory state = observe();
        for (uint256 p = 0; p < PAYERS; ++p) {
            sum += state.free[p];
            for (uint256 v = 0; v < PROVIDERS; ++v) {
                Allowance memory held = state.allowances[p][v];
                sum += uint256(held.credits) * held.pricePerCredit;
            }
        }
        for (uint256 v = 0; v < PROVIDERS; ++v) {
            sum += state.earned[v];
        }
    }

    /// @dev Holds what `actor` of `role` just did to the rules. `actor` is a payer's index, or
    /// ignored.
    function compare(State memory before, Role role, uint256 actor) external {
        State memory later = observe();
        uint256 gainMax = 0;
        for (uint256 p = 0; p < PAYERS; ++p) {
            bool isActor = role == Role.Payer && p == actor;
            if (!isActor) check(6, later.free[p] >= before.free[p]);
            for (uint256 v = 0; v < PROVIDERS; ++v) {
                Allowance memory was = before.allowances[p][v];
                Allowance memory is_ = later.allowances[p][v];
                if (isActor) compareOwn(was, is_);
                else compareForeign(was, is_, role);
                for (uint256 l = 0; l < LANES; ++l) {
                    uint256 grown = later.consumed[p][v][l];
                    check(2, grown >= before.consumed[p][v][l] && grown <= signedMax[p][v][l]);
                    if (role != Role.Settler) check(2, grown == before.consumed[p][v][l]);
                    uint256 priceMax = was.pricePerCredit < _permits[p][v][l].price
                        ? was.pricePerCredit
                        : _permits[p][v][l].price;
                    gainMax += (grown - before.consumed[p][v][l]) * priceMax;
                }
            }
        }
        uint256 gain = later.earned[0] + later.earned[1];
        uint256 had = before.earned[0] + before.earned[1];
        if (gain > had) check(5, gain - had <= gainMax);
    }

    /// @dev What a payer's own step may do to its allowance.
    function compareOwn(Allowance memory was, Allowance memory is_) private {
        if (was.credits == 0) return;
        bool isRipe = was.thawEnd != 0 && block.timestamp >= was.thawEnd;
        uint256 least = isRipe ? was.credits - was.thawingCredits : was.credits;
        check(3, is_.credits >= least && is_.pricePerCredit >= was.pricePerCredit);
        check(3, is_.signer == was.signer);
        check(3, is_.thawEnd == 0 || is_.thawEnd >= was.thawEnd);
    }

    /// @dev Others change nothing, except that settlement takes credits.
    function compareForeign(Allowance memory was, Allowance memory is_, Role role) private {
        check(6, is_.pricePerCredit == was.pricePerCredit && is_.signer == was.signer);
        check(6, role == Role.Settler ? is_.credits <= was.credits : is_.credits == was.credits);
    }
}
