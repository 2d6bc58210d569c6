import assert from "node:assert/strict";
import { getAddress, pad } from "viem";
import { assertSamePayer } from "./payer_header.ts";

const ANNA = getAddress(pad("0xabcdef", { size: 20 }));

Deno.test("a payer header that names who pays is needless, and one that names another is refused", () => {
  assertSamePayer(null, ANNA);
  assertSamePayer(ANNA, ANNA);
  assertSamePayer(ANNA.toUpperCase(), ANNA);
  const other = ANNA.replace(/.$/, "0");
  for (const named of [other, "", "anna"]) {
    assert.throws(() => assertSamePayer(named, ANNA), { code: "payment_required" });
  }
});
