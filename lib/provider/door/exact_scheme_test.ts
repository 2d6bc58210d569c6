import assert from "node:assert/strict";
import { exactLook } from "./exact_scheme.ts";

Deno.test("what settling a call by exact costs is told, and on a test chain that it counts nothing", () => {
  assert.deepEqual(exactLook({ amount: 10_000n, cost: 4_000n, isFree: false }), {
    detail: "x402: a call costs 0.01 USDC; settling one takes some 86,000 gas, " +
      "up to 0.004 USDC now",
  });
  const { detail } = exactLook({ amount: 10_000n, cost: 0n, isFree: true });
  assert.match(
    detail!,
    /gas, which counts as nothing on a test chain \(provider\.gas\.coinPrice\)$/,
  );
});

Deno.test("where it brings less than it costs, doctor says to what to raise it", () => {
  const { hints } = exactLook({ amount: 10_000n, cost: 10_000n, isFree: false });
  assert.match(hints!.join("\n"), /"minimum": "12501" .* for 0\.012501 USDC a call/);
});
