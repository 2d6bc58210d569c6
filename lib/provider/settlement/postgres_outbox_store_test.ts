import assert from "node:assert/strict";
import type { Hex } from "viem";
import { openFleetChain } from "../../../worlds/chain/fleet_chain.ts";
import { until } from "../../../worlds/chain/operator_world.ts";
import {
  beginSession,
  freshDatabase,
  leadAlone,
  startFleetServer,
} from "../../../worlds/fleet_database.ts";
import type { SignedForm } from "../../chain/outbox/store.ts";
import type { Database } from "../fleet/database.ts";
import { openDatabase } from "../fleet/database.ts";
import { isNotLeading, postgresOutboxStore, readSharedOutbox } from "./postgres_outbox_store.ts";

const SERVER = await startFleetServer();
const ignore = SERVER === null;
const TO = "0x00000000000000000000000000000000000000aa";
const SETTLEMENT = { rank: "settlement", costMax: null } as const;

const FORM: SignedForm = {
  raw: "0x01",
  nonce: 7,
  to: TO,
  data: "0xabcd",
  gas: 21_000n,
  maxFeePerGas: 2n ** 70n,
  maxPriorityFeePerGas: 1n,
  rank: "relay",
  costMax: 2n ** 71n,
  signedAt: 1_700_000_000_000,
};
const RAISED: SignedForm = { ...FORM, raw: "0x02", maxFeePerGas: 2n ** 71n };
const OTHER: SignedForm = { ...FORM, raw: "0x03", data: "0xef", costMax: null, signedAt: null };

async function openStores(database: Database) {
  const [first, second] = [await beginSession(database, "a"), await beginSession(database, "b")];
  return {
    old: postgresOutboxStore(database, await leadAlone(database, first)),
    /** Who leads now. */
    next: async () => postgresOutboxStore(database, await leadAlone(database, second)),
  };
}

Deno.test({
  name: "what a leader remembered the next one finds, in its order, until it is forgotten",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const { old, next } = await openStores(world.database);
    const later = { ...OTHER, nonce: 8 };
    for (const form of [FORM, later, RAISED, RAISED]) await old.remember(form);
    const store = await next();
    assert.deepEqual(await store.load(), [FORM, RAISED, later]);
    await store.forget(7);
    assert.deepEqual(await readSharedOutbox(world.database), [later]);
    await assert.rejects(store.remember({ ...FORM, to: null }), TypeError);
  },
});

Deno.test({
  name: "who leads no more remembers nothing, and drops nothing of the next one's",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const { old, next } = await openStores(world.database);
    await (await next()).remember(FORM);
    await assert.rejects(old.remember(RAISED), isNotLeading);
    await old.forget(7);
    assert.deepEqual(await readSharedOutbox(world.database), [FORM]);
  },
});

Deno.test({
  name: "under a nonce stands one call, with its raises and what takes it from it",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const { old } = await openStores(world.database);
    await old.remember(FORM);
    await assert.rejects(old.remember(OTHER), { message: "nonce 7 is another transaction's" });
    await old.remember(RAISED);
    const filler: SignedForm = { ...FORM, raw: "0x04", data: "0x", rank: "filler" };
    await old.remember(filler);
    assert.deepEqual(await old.load(), [FORM, RAISED, filler]);
    await old.forget(7);
    await old.remember(OTHER);
    assert.deepEqual(await old.load(), [OTHER]);
  },
});

Deno.test({
  name: "a nonce of which nobody said what is stored, or dropped, is free for another call",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const { database } = world;
    let isDeaf = false;
    const ask: Database["ask"] = async (...asked) => {
      const rows = await database.ask(...asked);
      if (isDeaf) throw new Error("cut off");
      return rows as never;
    };
    const session = await beginSession(database, "a");
    const term = await leadAlone(database, session);
    const store = postgresOutboxStore({ ...database, ask }, term);
    await store.remember(FORM);
    isDeaf = true;
    await assert.rejects(store.remember(RAISED), /cut off/);
    await assert.rejects(store.remember({ ...OTHER, nonce: 8 }), /cut off/);
    isDeaf = false;
    await store.remember({ ...FORM, raw: "0x05", nonce: 8 });
    assert.deepEqual((await store.load()).map(({ raw }) => raw), ["0x01", "0x02", "0x05"]);
    await database.ask("UPDATE leader SET term = 0");
    await store.forget(7);
    await database.ask("UPDATE leader SET term = $1", [term.term]);
    // What was not heard: this one did not drop it.
    assert.equal((await store.load()).length, 3);
  },
});

Deno.test({
  name: "nobody begins to lead while a form is being written, so that it finds it",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const { database, address } = world;
    const { term, session } = await leadAlone(database, await beginSession(database, "a"));
    const next = await beginSession(database, "b");
    await using stack = new AsyncDisposableStack();
    const open = async () => {
      const one = await openDatabase(address, { connections: 1 });
      stack.defer(() => one.close());
      return one;
    };
    const [writer, holder, other] = [await open(), await open(), await open()];
    // What is written waits for it, in the midst of its statement.
    await holder.ask("SELECT pg_advisory_lock(1)");
    await database.script(`
      CREATE FUNCTION wait_there() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM pg_advisory_xact_lock(1);
        RETURN NEW;
      END $$;
      CREATE TRIGGER wait_there BEFORE INSERT ON outbox
        FOR EACH ROW EXECUTE FUNCTION wait_there();
    `);
    const waits = async (what: string) => {
      const [row] = await database.ask<{ count: number }>(
        `SELECT count(*)::int4 AS count FROM pg_stat_activity
          WHERE wait_event_type = 'Lock' AND query ~ $1`,
        [what],
      );
      return row!.count > 0;
    };
    const written = postgresOutboxStore(writer, { term, session }).remember(FORM);
    while (!await waits("remember_1")) { /* it is on its way */ }
    let found: SignedForm[] | null = null;
    const led = leadAlone(other, next).then(async () => found = await readSharedOutbox(other));
    while (found === null && !await waits("UPDATE leader")) { /* it is on its way */ }
    await holder.ask("SELECT pg_advisory_unlock(1)");
    await written;
    assert.deepEqual(await led, [FORM]);
  },
});

Deno.test({
  name: "what a leader stored and could not broadcast, killed, the next one sends, once",
  ignore,
  async fn() {
    await using chain = await openFleetChain(SERVER!);
    const [old, next] = [await chain.node("a"), await chain.node("b")];
    const operator = await old.lead();
    const raws: Hex[] = [];
    const isBroadcast = Promise.withResolvers<void>();
    old.endpoint.intercept = (request) => {
      if (request.method !== "eth_sendRawTransaction") return Promise.resolve(undefined);
      isBroadcast.resolve();
      return new Promise(() => {});
    };
    chain.fake.isMining = false;
    operator.launch(await chain.call(1), SETTLEMENT).catch(() => {});
    await isBroadcast.promise;
    raws.push(...(await readSharedOutbox(chain.world.database)).map(({ raw }) => raw));
    old.kill();
    const heir = await next.lead();
    await until(() => chain.fake.mempool.length === 1);
    assert.deepEqual(chain.fake.mempool.map(({ raw }) => raw), raws);
    const { mined } = await heir.launch(await chain.call(2), SETTLEMENT);
    await chain.fake.mine();
    assert.equal((await mined).status, "success");
    await heir.close();
    assert.deepEqual([chain.times(1), chain.times(2)], [1n, 1n]);
    assert.deepEqual(next.mined.length, 2);
    assert.deepEqual(await readSharedOutbox(chain.world.database), []);
  },
});

Deno.test({
  name: "a leader that slept through its time broadcasts nothing that the next one does not know",
  ignore,
  async fn() {
    await using chain = await openFleetChain(SERVER!);
    const [old, next] = [await chain.node("a"), await chain.node("b")];
    const operator = await old.lead();
    const sleep = Promise.withResolvers<void>();
    const isAsleep = Promise.withResolvers<void>();
    old.intercept = (statement) => {
      if (!statement.includes("remember_1")) return Promise.resolve();
      isAsleep.resolve();
      return sleep.promise;
    };
    const launched = operator.launch(await chain.call(1), SETTLEMENT);
    await isAsleep.promise;
    const heir = await next.lead();
    assert.equal((await heir.send(await chain.call(2), SETTLEMENT)).status, "success");
    sleep.resolve();
    await assert.rejects(launched, isNotLeading);
    assert.deepEqual([chain.times(1), chain.times(2)], [0n, 1n]);
    assert.equal(operator.pending(), 0);
    await assert.rejects(operator.launch(await chain.call(3), SETTLEMENT), isNotLeading);
    assert.equal(chain.fake.mempool.length, 0);
  },
});
