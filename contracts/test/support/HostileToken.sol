// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @notice Everything that the real USDC does not do, and an upgrade of it might.
contract HostileToken is ERC20("Hostile", "EVIL") {
    bytes public answer;
    int256 private _atSender;
    int256 private _atRecipient;
    bool private _fails;
    bytes private _balanceAnswer;
    address private _target;
    bytes private _call;

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    /// @notice Every transfer changes the two balances by this much more than it should.
    function skew(int256 atSender, int256 atRecipient) external {
        (_atSender, _atRecipient) = (atSender, atRecipient);
    }

    function fail(bool fails) external {
        _fails = fails;
    }

    /// @notice From now on every balance is these bytes; the true one again when there are none.
    function answerBalances(bytes calldata words) external {
        _balanceAnswer = words;
    }

    /// @notice The next transfer calls `target` before it ends, and keeps what it answers.
    function callDuringTransfer(address target, bytes calldata data) external {
        (_target, _call) = (target, data);
    }

    function balanceOf(address account) public view override returns (uint256) {
        bytes memory words = _balanceAnswer;
        if (words.length == 0) return super.balanceOf(account);
        assembly ("memory-safe") {
            return(add(words, 0x20), mload(words))
        }
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
        _change(from, _atSender);
        _change(to, _atRecipient);
        if (_target == address(0)) return;
        address target = _target;
        _target = address(0);
        (, bytes memory result) = target.call(_call);
        answer = result;
    }

    function _change(address account, int256 by) private {
        if (by > 0) super._update(address(0), account, uint256(by));
        if (by < 0) super._update(account, address(0xfee), uint256(-by));
    }
}
