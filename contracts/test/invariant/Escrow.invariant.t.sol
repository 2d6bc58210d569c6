// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Escrow} from "../../src/Escrow.sol";
import {IFiatToken} from "../support/RealUsdc.sol";
import {World} from "./World.sol";
import {OperatorHandler} from "./handlers/OperatorHandler.sol";
import {PayerHandler} from "./handlers/PayerHandler.sol";
import {ProviderHandler} from "./handlers/ProviderHandler.sol";
import {RelayerHandler} from "./handlers/RelayerHandler.sol";
import {ThiefHandler} from "./handlers/ThiefHandler.sol";
import {Test} from "forge-std/Test.sol";

/// @notice What always holds of the escrow, under any order of steps by payers, providers, their
/// operators, a relayer and a thief. One campaign is held to all rules.
contract EscrowInvariantTest is Test {
    /// @dev What the provider's handler makes of these: see `setOperator` there.
    uint256 private constant FOREVER = 2;
    uint256 private constant UNCAPPED = 0;

    World private _world;
    Escrow private _escrow;
    IFiatToken private _usdc;
    PayerHandler private _payer;
    ProviderHandler private _provider;
    OperatorHandler private _operator;
    RelayerHandler private _relayer;
    ThiefHandler private _thief;

    function setUp() public {
        _world = new World();
        (address escrow_, address usdc_) = _world.tools();
        (_escrow, _usdc) = (Escrow(escrow_), IFiatToken(usdc_));
        _payer = new PayerHandler(_world);
        _provider = new ProviderHandler(_world);
        _operator = new OperatorHandler(_world);
        _relayer = new RelayerHandler(_world);
        _thief = new ThiefHandler(_world);
        _open();
        targetContract(address(_payer));
        targetContract(address(_provider));
        targetContract(address(_operator));
        targetContract(address(_relayer));
        targetContract(address(_thief));
    }

    /// @dev Everybody is in business: else most steps of a campaign would do nothing.
    function _open() private {
        for (uint256 v = 0; v < _world.PROVIDERS(); ++v) {
            _provider.setOperator(v, FOREVER, v == 0 ? UNCAPPED : 1e6 + 1);
            for (uint256 p = 0; p < _world.PAYERS(); ++p) {
                _payer.depositAndAllow(p, v, 1000, 1000, p == 1);
                _payer.deposit(p, 1e7);
            }
        }
    }

    function invariant_every_rule_holds() public view {
        uint256 held = _usdc.balanceOf(address(_escrow));
        assertEq(held, _world.claims() + _world.donated(), "1 what is held is every claim");
        assertEq(held + _world.flowOut(), _world.flowIn() + _world.donated(), "1 what came in");
        assertRule(1, "1 nobody withdraws more than its own");
        assertRule(2, "2 lanes only grow, up to what was signed in an epoch in force");
        assertRule(3, "3 what was served is settled in full");
        assertRule(4, "4 the same charges twice move money once");
        assertRule(5, "5 a provider gains what was allowed at most, the rest returns");
        assertRule(6, "6 only the payer lowers its free balance, by what it signed");
        assertRule(7, "7 a signature binds everything, once");
        assertRule(8, "8 a refund is of what was charged on the lane, to who paid it");
        assertRule(9, "9 an operator settles in its time and within its cap");
        assertRule(10, "10 earnings go to the collector in force");
    }

    /// @dev A story in which every rule is looked at: else a campaign would say nothing.
    function test_every_rule_is_looked_at() public {
        _provider.setOperator(0, FOREVER, 1);
        _provider.serve(0, 0, 0, 100, false);
        _operator.settleWithinLimits(0);
        _payer.bumpEpoch(0, 0);
        _provider.serve(0, 0, 1, 50, true);
        _provider.settle(0);
        _provider.setOperator(0, FOREVER, UNCAPPED);
        _operator.consumeOne(0, 0, 900, true);
        _provider.wait(2 days);
        _operator.chargeStale(0, 0, 1);
        _provider.refund(0, 0, 0, 700);
        for (uint256 kind = 0; kind < 4; ++kind) {
            _relayer.relay(0, 0, kind, 10, 100);
        }
        _relayer.replay(0, 0);
        _provider.setCollector(0, 1);
        _provider.collect(0, 1);
        _thief.stealAsOneself(0, 0, 0);
        _payer.tryToWithdrawTooMuch(0, 1);
        for (uint256 rule = 1; rule <= _world.RULES(); ++rule) {
            assertGt(_world.seen(rule), 0, string.concat("rule ", vm.toString(rule)));
        }
        invariant_every_rule_holds();
    }

    function assertRule(uint256 rule, string memory what) private view {
        assertEq(_world.broken(rule), 0, what);
    }
}
