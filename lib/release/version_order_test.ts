import assert from "node:assert/strict";
import { compareVersions } from "./version_order.ts";

Deno.test("versions come in the order that Semantic Versioning gives them", () => {
  // The example of section 11, and numbers that are no words.
  const order = [
    "0.9.10",
    "0.10.0",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.0.1",
    "2.0.0",
  ];
  for (const [i, one] of order.entries()) {
    for (const [j, other] of order.entries()) {
      assert.equal(Math.sign(compareVersions(one, other)), Math.sign(i - j), `${one} ${other}`);
    }
  }
});
