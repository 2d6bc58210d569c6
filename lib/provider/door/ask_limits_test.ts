import assert from "node:assert/strict";
import type { Address } from "viem";
import { AskLimits } from "./ask_limits.ts";

const ownerOf = (index: number): Address => `0x${index.toString(16).padStart(40, "0")}`;

function limited() {
  let at = 0;
  const limits = new AskLimits({
    what: "wishes",
    hints: ["wish less"],
    network: { burst: 4, perSecond: 2 },
    owner: { burst: 3, perSecond: 1 / 2 },
    now: () => at,
  });
  return { limits, pass: (ms: number) => void (at += ms) };
}

Deno.test("an owner has a share of its own", () => {
  const { limits, pass } = limited();
  for (let wish = 0; wish < 3; wish++) limits.admitOwner(ownerOf(1));
  assert.throws(() => limits.admitOwner(ownerOf(1)), {
    code: "rate_limited",
    message: "too many wishes",
    hints: ["wish less"],
    retryAfterSeconds: 2,
  });
  limits.admitOwner(ownerOf(2));
  pass(2_000);
  limits.admitOwner(ownerOf(1));
  assert.throws(() => limits.admitOwner(ownerOf(1)), { code: "rate_limited" });
});

Deno.test("so has a network, whatever owners there are in it", () => {
  const { limits, pass } = limited();
  for (let host = 0; host < 4; host++) limits.admitNetwork(`203.0.113.${host}`);
  assert.throws(() => limits.admitNetwork("203.0.113.200"), {
    code: "rate_limited",
    retryAfterSeconds: 1,
  });
  limits.admitNetwork("198.51.100.7");
  pass(500);
  limits.admitNetwork("203.0.113.200");
});
