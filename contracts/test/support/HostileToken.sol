// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @notice Everything that the real USDC does not do, and an upgrade of it might.
contract HostileToken is ERC20("Hostile", "EVIL") {
    bytes public answer;
    uint256 private _fee;
    bool private _fails;
    address private _target;
    bytes private _call;

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function setFee(uint256 fee) external {
        _fee = fee;
    }

    function fail(bool fails) external {
        _fails = fails;
    }

    function callDuringTransfer(address target, bytes calldata data) external {
        (_target, _call) = (target, data);
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        return _fails ? false : super.transfer(to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        return _fails ? false : super.transferFrom(from, to, amount);
    }

    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256,
        uint256,
        bytes32,
        bytes memory
    ) external {
        _transfer(from, to, value);
    }

    function _update(address from, address to, uint256 amount) internal override {
        super._update(from, to, amount);
        if (from == address(0)) return;
        if (_fee != 0) super._update(to, address(0xfee), _fee);
        if (_target == address(0)) return;
        (, bytes memory result) = _target.call(_call);
        answer = result;
    }
}
