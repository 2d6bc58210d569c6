import assert from "node:assert/strict";
import type { Address, TransactionReceipt } from "viem";
import { freshDatabase, startFleetServer } from "../../../../worlds/fleet_database.ts";
import { escrowCall } from "../../../chain/escrow_call.ts";
import { KhachapuriError } from "../../../errors.ts";
import { PAYER_RELAYS_PER_HOUR_MAX } from "../../../limits.ts";
import type { Database } from "../../fleet/database.ts";
import { Relays } from "../relays.ts";
import { SharedTurns } from "./shared_turns.ts";

const SERVER = await startFleetServer();
const ignore = SERVER === null;
const payerOf = (n: number): Address => `0x${n.toString(16).padStart(40, "a")}`;
const CALL = escrowCall(payerOf(0), "reclaimFor", []);

/** What one node relays. */
function openRelays(database: Database, perMinute: number) {
  const limits = { what: "deposit", perMinute };
  const desk = {
    refusal: null as Error | null,
    send: (payer: Address) => relays.send({ payer, call: CALL, worth: 1n }),
  };
  const relays = new Relays({
    ...limits,
    turns: new SharedTurns(database, limits),
    coinPrice: 0n,
    operator: {
      simulate: () => Promise.resolve(),
      send: () =>
        desk.refusal
          ? Promise.reject(desk.refusal)
          : Promise.resolve({ status: "success" } as TransactionReceipt),
      gasPrice: () => Promise.resolve(0n),
    },
    ledger: { knows: () => false },
    payers: { forget: () => {} },
    now: Date.now,
  });
  return desk;
}

Deno.test({
  name: "so many a minute are relayed, whichever nodes are asked",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const [one, two] = [openRelays(world.database, 2), openRelays(await world.open(), 2)];
    one.refusal = new KhachapuriError("chain_refused", "InvalidAccountNonce");
    await assert.rejects(one.send(payerOf(1)), one.refusal);
    one.refusal = null;
    // What is given back is so in the background.
    while ((await world.database.ask("SELECT FROM buckets WHERE full_at > now()")).length > 0);
    await one.send(payerOf(1));
    await two.send(payerOf(2));
    for (const node of [one, two]) {
      await assert.rejects(node.send(payerOf(3)), {
        code: "rate_limited",
        message: /^2 deposits a minute are relayed here$/,
      });
    }
  },
});

Deno.test({
  name: "one payer has so many an hour at all nodes together",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const nodes = [openRelays(world.database, 100), openRelays(await world.open(), 100)];
    const most = PAYER_RELAYS_PER_HOUR_MAX;
    for (let n = 0; n < most; n++) await nodes[n % 2]!.send(payerOf(1));
    for (const node of nodes) {
      await assert.rejects(node.send(payerOf(1)), {
        code: "rate_limited",
        message: new RegExp(`^${most} deposits of one payer an hour`),
      });
      await node.send(payerOf(2));
    }
  },
});
