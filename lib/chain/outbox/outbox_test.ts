import assert from "node:assert/strict";
import { manualClock } from "../../../worlds/clock.ts";
import { histories } from "../../../worlds/outbox/histories.ts";
import { CHAIN_EVENTS, emptyChain } from "../../../worlds/outbox/chain.ts";
import { callData, NONCE_ACCOUNT, nonceClient } from "../../../worlds/outbox/client.ts";
import { STANDINGS } from "../../../worlds/outbox/calls.ts";
import { COMMAND_LINE, type Event, OPERATOR } from "../../../worlds/outbox/model.ts";
import { OutboxRunner } from "../../../worlds/outbox/runner.ts";
import { KhachapuriError } from "../../errors.ts";
import type { Notice, OutboxOptions } from "./options.ts";
import { Outbox } from "./outbox.ts";
import type { Policy } from "./plan.ts";
import { createMemoryStore } from "./store.ts";

/** Events of the longest courses that are run through the real outbox. */
const LENGTH = Number(Deno.env.get("KHACHAPURI_EVENTS") ?? 4);

async function run(events: readonly Event[], policy: Policy): Promise<OutboxRunner> {
  const runner = await OutboxRunner.start(policy);
  for (const event of events) await runner.apply(event);
  runner.check();
  return runner;
}

async function agreesWithModel(policy: Policy): Promise<void> {
  for (const { events, model } of histories(policy, LENGTH)) {
    const { scene, size } = await run(events(), policy);
    const { chain, calls, store, flights } = model;
    assert.deepEqual(
      { scene, size },
      { scene: { chain, calls, store }, size: flights.length },
      `after ${events().join(", ")}`,
    );
  }
}

/** An outbox as the operator's, on a chain of its own. */
async function openOutbox(options: Partial<OutboxOptions> = {}) {
  const chain = emptyChain();
  const clock = manualClock();
  const notices: Notice[] = [];
  let head = 0;
  const outbox = await Outbox.open({
    // Every look sees a new block.
    client: nonceClient({ chain, calls: {}, store: [] }, () => {}, () => head++),
    endpoint: "fake",
    chainId: 1,
    account: NONCE_ACCOUNT,
    store: createMemoryStore(),
    policy: OPERATOR,
    pause: { firstMs: 1, lastMs: 1 },
    launchAttempts: null,
    now: clock.now,
    after: clock.after,
    wordGiveUp: ({ reason }) => new KhachapuriError("chain_unavailable", reason),
    notice: (notice) => void notices.push(notice),
    ...options,
  });
  const launch = (call: string) =>
    outbox.launch(
      STANDINGS.settlement,
      () => Promise.resolve({ to: NONCE_ACCOUNT.address, data: callData(call), gas: 1n }),
    );
  /** The next look, from its timer to its end. */
  const look = async () => {
    clock.advance(1);
    while (outbox.size > 0 && clock.pending() === 0) await null;
  };
  return { chain, outbox, notices, launch, look };
}

Deno.test("an outbox does what its model does, so what holds of all its courses holds here", async () => {
  await agreesWithModel(OPERATOR);
});

Deno.test("so does the command line's", async () => {
  await agreesWithModel(COMMAND_LINE);
});

Deno.test("what a node has lost is broadcast again while it is waited for", async () => {
  for (const policy of [OPERATOR, COMMAND_LINE]) {
    const { scene } = await run(["send", "forget", "wait"], policy);
    assert.deepEqual(scene.chain.mempool.map(({ call }) => call), ["call 0"]);
  }
});

Deno.test("a transaction that cannot be stored is not sent, and leaves its nonce", async () => {
  const store = createMemoryStore();
  let isFull = true;
  const { chain, launch } = await openOutbox({
    store: {
      ...store,
      remember: (form) => isFull ? Promise.reject(new Error("disk full")) : store.remember(form),
    },
  });
  await assert.rejects(launch("first"), /disk full/);
  assert.deepEqual(chain.heard, []);
  isFull = false;
  await launch("second");
  assert.deepEqual(chain.heard, [{ nonce: 0, call: "second", fee: 0 }]);
});

Deno.test("a fee that cannot be stored is not raised, and no higher one follows", async () => {
  const store = createMemoryStore();
  let isFull = false;
  const { chain, launch, look, notices } = await openOutbox({
    policy: { ...OPERATOR, repair: { afterMs: 0, holeMax: 1, closeEvery: 1, feeMax: null } },
    store: {
      ...store,
      remember: (form) => isFull ? Promise.reject(new Error("disk full")) : store.remember(form),
    },
  });
  await launch("call");
  CHAIN_EVENTS["raise the floor"](chain);
  isFull = true;
  for (let times = 0; times < 3; times++) await look();
  assert.deepEqual(chain.heard.map(({ fee }) => fee), [0]);
  assert.deepEqual(notices.map(({ kind }) => kind), ["put off", "put off", "put off"]);
  isFull = false;
  await look();
  assert.deepEqual(chain.heard.map(({ fee }) => fee), [0, 1]);
});

Deno.test("a receipt whose book cannot be written is told of again", async () => {
  let isFull = true;
  const { chain, launch, look, outbox } = await openOutbox({
    onMined: () => isFull ? Promise.reject(new Error("disk full")) : Promise.resolve(),
  });
  const { mined } = await launch("call");
  CHAIN_EVENTS.mine(chain);
  await look();
  assert.equal(outbox.size, 1);
  isFull = false;
  await look();
  assert.equal(outbox.size, 0);
  assert.ok(await mined);
});

Deno.test("what the chain answered before it fell silent is acted on", async () => {
  const client = nonceClient({ chain: emptyChain(), calls: {}, store: [] }, () => {});
  let asked = 0;
  const { launch, look, outbox, notices } = await openOutbox({
    client: {
      ...client,
      getTransactionReceipt: () => {
        asked += 1;
        if (asked > 8) return Promise.reject(new Error("silent"));
        return Promise.resolve({}) as ReturnType<typeof client.getTransactionReceipt>;
      },
    },
  });
  for (let index = 0; index < 20; index++) await launch(`call ${index}`);
  await look();
  assert.equal(outbox.size, 12);
  assert.equal(asked, 16);
  assert.deepEqual(notices.map(({ kind }) => kind), ["put off"]);
});

Deno.test("one look in so many asks all that may help, the others only what is mined", async () => {
  const chain = emptyChain();
  let asked = 0;
  const client = nonceClient({ chain, calls: {}, store: [] }, () => {}, () => asked);
  const counted = Object.fromEntries(
    Object.entries(client).map(([name, ask]) => [name, (question: never) => {
      asked += 1;
      return (ask as (question: never) => unknown)(question);
    }]),
  ) as unknown as OutboxOptions["client"];
  const repair = { ...OPERATOR.repair!, afterMs: 60_000, closeEvery: 4 };
  const policy = { ...OPERATOR, rebroadcastAfterMs: 60_000, repair };
  const { launch, look, outbox } = await openOutbox({ client: counted, policy });
  const launched = [await launch("first"), await launch("second")];
  const questions: number[] = [];
  for (let n = 0; n < 8; n++) {
    const before = asked;
    await look();
    questions.push(asked - before);
  }
  // The count, two receipts, two of the price, two of what the node has; once the balance.
  assert.deepEqual(questions, [8, 1, 1, 1, 7, 1, 1, 1]);
  // What is mined is not waited for until then.
  await look();
  while (chain.mempool.length > 0) CHAIN_EVENTS.mine(chain);
  await look();
  assert.equal(outbox.size, 0);
  for (const { mined } of launched) assert.ok(await mined);
});
