// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ContentResolver} from "../../src/ContentResolver.sol";
import {IContentHashResolver} from "../../src/interfaces/IContentResolver.sol";
import {IENSRegistry} from "../../src/interfaces/IRegistry.sol";
import {RealEns} from "../support/RealEns.sol";
import {Vm} from "forge-std/Vm.sol";

interface ISetsContent is IContentHashResolver {
    function setContenthash(bytes32 node, bytes calldata hash) external;
}

/// @notice Our content resolver beside ENS's PublicResolver, over ENS's registry: both bytecodes
/// are those that ENS published on npm.
contract EnsContentTest is RealEns {
    bytes32 private constant UNOWNED = keccak256("nobody's");

    IENSRegistry private _ens;
    ISetsContent private _theirs;
    ISetsContent private _ours;
    uint256 private _written;

    function setUp() public {
        _ens = deployRegistry();
        _theirs = ISetsContent(deployPublicResolver(_ens));
        _ours = ISetsContent(address(new ContentResolver(_ens)));
        _ens.setSubnodeOwner(ROOT, keccak256("eth"), address(this));
        _ens.setSubnodeOwner(ETH, keccak256("foo"), address(this));
    }

    /// @dev Names change hands and are written to by anybody, in any order: both resolvers agree,
    /// in answers, events and refusals.
    /// forge-config: default.fuzz.runs = 32
    function testFuzz_both_resolvers_do_the_same(bytes32 seed) public {
        for (uint256 i = 0; i < 64; ++i) {
            seed = keccak256(abi.encode(seed, i));
            step(uint256(seed));
            assertSame(ETH);
            assertSame(FOO_ETH);
            assertSame(UNOWNED);
        }
        assertGt(_written, 0, "every step was refused");
    }

    /* STEPS */

    function step(uint256 seed) private {
        bytes32 node = [ETH, FOO_ETH, UNOWNED][(seed >> 8) % 3];
        address caller = actor(seed >> 16);
        if (seed % 4 == 0) return hand(caller, node, actor(seed >> 24));
        bytes memory hash = bytes.concat(bytes32(seed), bytes32(seed));
        bytes memory data =
            abi.encodeCall(ISetsContent.setContenthash, (node, seed % 4 == 1 ? bytes("") : hash));
        (bool theirs, Vm.Log[] memory theirLogs) = record(address(_theirs), caller, data);
        (bool ours, Vm.Log[] memory ourLogs) = record(address(_ours), caller, data);
        assertEq(ours, theirs);
        assertEq(ourLogs.length, theirLogs.length);
        for (uint256 l = 0; l < ourLogs.length; ++l) {
            assertEq(abi.encode(ourLogs[l].topics), abi.encode(theirLogs[l].topics));
            assertEq(ourLogs[l].data, theirLogs[l].data);
        }
        if (ours) ++_written;
    }

    /// @dev Who may not is refused, and nothing changes.
    function hand(address caller, bytes32 node, address to) private {
        vm.prank(caller);
        try _ens.setOwner(node, to) {} catch {}
    }

    function actor(uint256 seed) private returns (address) {
        if (seed % 3 == 0) return makeAddr("anna");
        return seed % 3 == 1 ? makeAddr("ben") : address(this);
    }

    function record(address resolver, address caller, bytes memory data)
        private
        returns (bool success, Vm.Log[] memory logs)
    {
        vm.recordLogs();
        vm.prank(caller);
        (success,) = resolver.call(data);
        logs = vm.getRecordedLogs();
    }

    function assertSame(bytes32 node) private view {
        assertEq(_ours.contenthash(node), _theirs.contenthash(node));
    }
}
