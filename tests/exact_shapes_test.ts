/**
 * Payments by x402's `exact` as clients write them that cannot run here: its SDKs for Go and for
 * Python, and thirdweb. The standard leaves open how long a payment is good, and what is absent.
 */
import assert from "node:assert/strict";
import { PAYMENT_HEADER_V1 } from "../lib/x402_v1.ts";
import { PAYMENT_SIGNATURE_HEADER, toHeader } from "../lib/payment_required.ts";
import type { TransferAuthorization } from "../lib/transfer_authorization.ts";
import {
  type ExactEntry,
  exactIn,
  settlementIn,
  type SignedExact,
  signExact,
} from "../worlds/exact_payer.ts";
import { startMarket } from "../worlds/market.ts";

/** A chain that version 1 has a name for. */
const CHAIN_ID = 43_113;
const NETWORK = "avalanche-fuji";
const HOUR = 3_600n;
const SETTINGS = {
  settlement: { mode: "batch", intervalSeconds: 360, pollMs: 50, headSecondsMax: 3_600 },
};

interface Shape {
  name: string;
  /** @param now Unix seconds */
  times(now: bigint, entry: ExactEntry): Pick<TransferAuthorization, "validAfter" | "validBefore">;
  /** The header's JSON around its payload. */
  around(entry: ExactEntry): Record<string, unknown>;
  /** What it changes of the payload's texts. */
  written?: (text: string) => string;
}

const inTime = (now: bigint, { maxTimeoutSeconds }: ExactEntry) => ({
  validAfter: now - 600n,
  validBefore: now + BigInt(maxTimeoutSeconds),
});
const anHour = (now: bigint) => ({ validAfter: now - 600n, validBefore: now + HOUR });
const v1 = () => ({ x402Version: 1, scheme: "exact", network: NETWORK });

const SHAPES: readonly Shape[] = [
  {
    name: "Go, good for an hour whatever was asked, without a resource",
    times: anHour,
    around: (accepted) => ({ x402Version: 2, accepted }),
  },
  {
    name: "Go, in version 1",
    times: anHour,
    around: v1,
  },
  {
    name: "Python, with what it knows nothing of as null",
    times: inTime,
    around: (accepted) => ({ x402Version: 2, accepted, resource: null, extensions: null }),
  },
  {
    name: "Python, in version 1",
    times: inTime,
    around: v1,
  },
  {
    name: "thirdweb, good for a day",
    times: (now) => ({ validAfter: 0n, validBefore: now + 24n * HOUR }),
    around: (accepted) => ({ x402Version: 2, accepted, resource: { url: "/relative" } }),
  },
  {
    name: "addresses and signature in small letters",
    times: inTime,
    around: (accepted) => ({
      x402Version: 2,
      accepted: {
        ...accepted,
        asset: accepted.asset.toLowerCase(),
        payTo: accepted.payTo.toLowerCase(),
      },
    }),
    written: (text) => text.toLowerCase(),
  },
  {
    name: "a signature that ends with its point's parity",
    times: inTime,
    around: (accepted) => ({ x402Version: 2, accepted }),
    written: (text) => text.replace(/1b$/, "00").replace(/1c$/, "01"),
  },
];

function headerOf(shape: Shape, signed: SignedExact): Record<string, string> {
  const { authorization, entry } = signed;
  const texts = Object.entries(authorization).map(([name, value]) => [name, String(value)]);
  const { written = (text: string) => text } = shape;
  const isWritten = (name: string) => name === "from" || name === "to" || name === "nonce";
  const payload = {
    signature: written(signed.signature),
    authorization: Object.fromEntries(
      texts.map(([name, text]) => [name, isWritten(name!) ? written(text!) : text]),
    ),
  };
  const around = shape.around(entry);
  const header = around.x402Version === 1 ? PAYMENT_HEADER_V1 : PAYMENT_SIGNATURE_HEADER;
  return { [header]: toHeader({ ...around, payload }) };
}

Deno.test("payments as other clients write them", async (t) => {
  await using market = await startMarket({ chainId: CHAIN_ID, settings: SETTINGS });
  const program = { files: { main: "#!/bin/sh\ncat\n" }, fields: { access: "payer" } };
  const url = `${market.provider.url}/${await market.deploy(program)}`;
  const { payer } = market.accounts;
  for (const shape of SHAPES) {
    await t.step(shape.name, async () => {
      const asked = await fetch(url);
      await asked.body?.cancel();
      const entry = exactIn(asked);
      const now = BigInt(Math.floor(Date.now() / 1_000));
      const signed = await signExact(payer, entry, shape.times(now, entry));
      const headers = headerOf(shape, signed);
      const response = await fetch(url, { method: "POST", body: "hello", headers });
      const text = await response.text();
      assert.deepEqual([response.status, text], [200, "hello"]);
      assert.equal(settlementIn(response)?.success, true);
    });
  }
});
