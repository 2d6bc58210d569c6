import assert from "node:assert/strict";
import { messagesOn, prove } from "./proofs.ts";

const harness = (body: string) =>
  `// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;
import {Accounting} from "../../src/libraries/Accounting.sol";
contract AccountingProof {
    function proof(uint128 asked, uint128 credits) external pure { ${body} }
}`;

const summary = (body: string) =>
  messagesOn(harness(body)).map(({ severity, message }) =>
    `${severity}: ${message.split("\n")[0]}`
  );

Deno.test("the proofs of the escrow's arithmetic hold", () => {
  assert.ok(prove());
});

Deno.test("what is true is proved and what is false is not", () => {
  const isTrue = "assert(Accounting.thawingOf(asked, credits) <= credits);";
  assert.deepEqual(summary(isTrue), ["info: BMC: Assertion violation check is safe!"]);
  const isFalse = "assert(Accounting.thawingOf(asked, credits) < credits);";
  assert.deepEqual(summary(isFalse), ["warning: BMC: Assertion violation happens here."]);
});

Deno.test("a sum that may overflow is no proof", () => {
  const [first] = summary("uint128 sum = asked + credits; assert(sum >= asked);");
  assert.equal(
    first,
    "warning: BMC: Overflow (resulting value larger than 2**128 - 1) happens here.",
  );
});
