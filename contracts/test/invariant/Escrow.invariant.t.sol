// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Escrow} from "../../src/Escrow.sol";
import {IFiatToken} from "../support/RealUsdc.sol";
import {World} from "./World.sol";
import {PayerHandler} from "./handlers/PayerHandler.sol";
import {SettlerHandler} from "./handlers/SettlerHandler.sol";
import {ThiefHandler} from "./handlers/ThiefHandler.sol";
import {Test} from "forge-std/Test.sol";

/// @notice The seven promises of the escrow, under any order of steps by payers, providers, their
/// operators and a thief.
contract EscrowInvariantTest is Test {
    World private _world;
    Escrow private _escrow;
    IFiatToken private _usdc;

    function setUp() public {
        _world = new World();
        (address escrow_, address usdc_) = _world.tools();
        (_escrow, _usdc) = (Escrow(escrow_), IFiatToken(usdc_));
        targetContract(address(new PayerHandler(_world)));
        targetContract(address(new SettlerHandler(_world)));
        targetContract(address(new ThiefHandler(_world)));
    }

    /// @dev USDC held covers every claim, and is equal to them but for direct transfers.
    function invariant_1_the_escrow_holds_every_claim() public view {
        uint256 held = _usdc.balanceOf(address(_escrow));
        assertEq(held, _world.claims() + _world.donated());
        assertEq(held + _world.flowOut(), _world.flowIn() + _world.donated());
        assertEq(_world.broken(1), 0);
    }

    /// @dev A lane only grows, and never beyond what was signed.
    function invariant_2_lanes_grow_up_to_what_was_signed() public view {
        assertEq(_world.broken(2), 0);
    }

    /// @dev Nothing a payer does before the thaw ends lowers credits or price or changes the
    /// signer; so all that was served is settled in full.
    function invariant_3_what_was_served_is_settled() public view {
        assertEq(_world.broken(3), 0);
    }

    /// @dev The same charges twice move money once.
    function invariant_4_settlement_is_idempotent() public view {
        assertEq(_world.broken(4), 0);
    }

    /// @dev A provider gains at most its new credits at the lower of permit's and allowed price.
    function invariant_5_no_provider_gains_more_than_was_allowed() public view {
        assertEq(_world.broken(5), 0);
    }

    /// @dev Only the payer lowers its free balance.
    function invariant_6_only_the_payer_lowers_its_balance() public view {
        assertEq(_world.broken(6), 0);
    }

    /// @dev No signature does anything but what it says.
    function invariant_7_signatures_bind_everything() public view {
        assertEq(_world.broken(7), 0);
    }
}
