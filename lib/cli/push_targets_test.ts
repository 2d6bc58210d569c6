import assert from "node:assert/strict";
import { zeroAddress } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { inFolder } from "../../worlds/home.ts";
import { fakeWorld } from "../../worlds/terminal.ts";
import type { KhachapuriError } from "../errors.ts";
import { createContext } from "./context.ts";
import { createOutput } from "./output.ts";
import { assertTakes, type PushPlace, pushTo } from "./push_targets.ts";

const OWNER = privateKeyToAccount(generatePrivateKey());
const OTHER = privateKeyToAccount(generatePrivateKey()).address;
const PRICE = 1_000n;
const HELD: PushPlace["held"] = {
  epoch: 0,
  epochEnd: 0n,
  pricePerCredit: PRICE,
  credits: 1_000n,
  thawingCredits: 0n,
  thawEnd: 0n,
  signer: zeroAddress,
};
/** For the USDC that is allowed it keeps a million bytes. */
const PLACE: PushPlace = {
  record: { name: "a.eth", webDomain: "http://127.0.0.1:1", address: OTHER, price: PRICE },
  chainId: 31_337,
  escrow: OTHER,
  content: { push: { bytesPerUsdc: 1_000_000, carBytesMax: 5_000_000 }, isPublic: true },
  held: HELD,
};
const MINE = { bytes: 1_000_000, ownerPays: true };

/** Asked from a home that knows no chain: what is advised is what can be said without. */
async function faultOf(place: Partial<PushPlace>, wanted: Partial<typeof MINE> = {}) {
  let fault: KhachapuriError | null = null;
  await inFolder(async (home) => {
    const world = fakeWorld([]);
    const flags = { home, json: false, rpc: [], gateway: [] };
    const context = createContext(world, flags, createOutput(world, false), []);
    await assertTakes(context, OWNER.address, { ...PLACE, ...place }, { ...MINE, ...wanted })
      .catch((error) => fault = error);
  });
  return fault as KhachapuriError | null;
}

Deno.test("a provider takes as much as is allowed to it, to the byte", async () => {
  assert.equal(await faultOf({}), null);
  const fault = await faultOf({}, { bytes: 1_000_001 });
  assert.equal(fault!.code, "payment_required");
  assert.match(fault!.message, /^for the 1 USDC that you allow it, a\.eth keeps less than 1\.0 MB/);
  assert.match(fault!.hints[0]!, /^khachapuri allow a\.eth --credits 1001$/);
  assert.match(fault!.hints.at(-1)!, /^or publish elsewhere: --no-push with /);
});

Deno.test("a provider that takes nothing, or less at once, says so before anything is sent", async () => {
  for (const content of [null, { push: null, isPublic: true }]) {
    const fault = await faultOf({ content });
    assert.equal(fault!.code, "not_implemented");
    assert.match(fault!.hints.join(), /--kubo URL or --pinata.*--no-push/);
  }
  const large = await faultOf({}, { bytes: 5_000_001 });
  assert.equal(large!.code, "body_too_large");
  assert.match(large!.hints.join(), /\.khachapuriignore/);
});

Deno.test("who allowed nothing is told what to run, and who pays itself may allow too little for calls", async () => {
  const nothing = { held: { ...HELD, thawingCredits: HELD.credits } };
  for (const ownerPays of [true, false]) {
    const fault = await faultOf(nothing, { ownerPays });
    assert.equal(fault!.code, "payment_required");
    assert.match(fault!.message, /can't charge you yet \(no credits\)/);
    assert.equal(fault!.hints[0], "khachapuri allow a.eth --credits 100");
  }
  const cheap = { held: { ...HELD, pricePerCredit: PRICE - 1n, credits: 2_000n } };
  assert.match((await faultOf(cheap))!.message, /price too low/);
  assert.equal(await faultOf(cheap, { ownerPays: false }), null);
  const pinned = { held: { ...HELD, signer: OTHER } };
  assert.match((await faultOf(pinned))!.message, /another signer/);
});

Deno.test("a provider is a place by its name, for itself alone", () => {
  const { name, flags, reach, order } = pushTo(OWNER, PLACE);
  assert.deepEqual([name, flags, reach, order], ["a.eth", "--to a.eth", "provider", "first"]);
});
