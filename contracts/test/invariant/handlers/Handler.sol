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

    /// @dev A step of anybody but a payer.
    modifier held(Role role) {
        State memory before = world.observe();
        _;
        world.compare(before, role, 0, 0);
    }

    /// @dev A step of the payer, in which it signs away at most `spend`.
    modifier heldOf(uint256 p, uint256 spend) {
        State memory before = world.observe();
        _;
        world.compare(before, Role.Payer, p, spend);
    }

    function aPayer(uint256 p) internal view returns (uint256) {
        return p % world.PAYERS();
    }

    function aProvider(uint256 v) internal view returns (uint256) {
        return v % world.PROVIDERS();
    }

    function isRipe(uint256 p, uint256 v) internal view returns (bool) {
        return world.allowanceOf(p, v).thawingCredits != 0 && world.isRipe(p, v);
    }

    /// @dev A payer and a provider between whom credits have thawed, if there are any.
    function aRipePair(uint256 p, uint256 v) internal view returns (uint256, uint256) {
        (p, v) = (aPayer(p), aProvider(v));
        for (uint256 i = 0; i < 4 && !isRipe(p, v); ++i) {
            (p, v) = (aPayer(p + 1), aProvider(v + i % 2));
        }
        return (p, v);
    }
}
