// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Escrow} from "../../../src/Escrow.sol";
import {IFiatToken} from "../../support/RealUsdc.sol";
import {Role, State, World} from "../World.sol";
import {Test} from "forge-std/Test.sol";

/// @notice One kind of people; every step of theirs is held to the world's rules.
abstract contract Handler is Test {
    World internal immutable world;
    Escrow internal immutable escrow;
    IFiatToken internal immutable usdc;

    constructor(World world_) {
        world = world_;
        (address escrow_, address usdc_) = world_.tools();
        (escrow, usdc) = (Escrow(escrow_), IFiatToken(usdc_));
    }

    modifier held(Role role, uint256 actor) {
        State memory before = world.observe();
        _;
        world.compare(before, role, actor);
    }
}
