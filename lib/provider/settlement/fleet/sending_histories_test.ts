/** Random lives of a fleet's senders: leaders that are killed, sleep, wake and meet. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type Hex, parseTransaction } from "viem";
import {
  type FleetChain,
  openFleetChain,
  type SendingNode,
} from "../../../../worlds/chain/fleet_chain.ts";
import { startFleetServer } from "../../../../worlds/fleet_database.ts";

const SERVER = await startFleetServer();
const RUNS = Number(Deno.env.get("KHACHAPURI_RUNS") ?? 12);
const RELAY = { rank: "relay", costMax: null } as const;
const NODES = 3;

/** Where a leader's process may end, by what it asks then. */
const PLACES = ["remember_1", "eth_sendRawTransaction", "mined_1", "forget_1"] as const;

type Event =
  | { kind: "wish"; node: number }
  /** The leader is to end, or to stand still, when it next asks that. */
  | { kind: "kill" | "sleep"; place: typeof PLACES[number] }
  | { kind: "wake" }
  | { kind: "lead"; node: number }
  | { kind: "mine" };

const node = fc.integer({ min: 0, max: NODES - 1 });
const place = fc.constantFrom(...PLACES);
const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("wish" as const), node }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constantFrom("kill" as const, "sleep" as const), place }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("lead" as const), node }) },
  { weight: 2, arbitrary: fc.constant({ kind: "mine" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "wake" as const }) },
);

class Fleet {
  readonly nodes: SendingNode[] = [];
  readonly wished: { lane: number; sent: Promise<string> }[] = [];
  /** Every call that was broadcast, by nonce. */
  readonly broadcast = new Map<number, Set<Hex>>();
  readonly #wakes: (() => void)[] = [];
  /** Killed or asleep. */
  readonly #silent = new Set<SendingNode>();
  #leader: SendingNode | null = null;
  #isHealed = false;
  #named = 0;

  constructor(private readonly chain: FleetChain, private lane: number) {}

  async open(): Promise<this> {
    for (let n = 0; n < NODES; n++) this.nodes.push(await this.#spawn());
    await this.#lead(this.nodes[0]!);
    return this;
  }

  async apply(event: Event): Promise<void> {
    switch (event.kind) {
      case "wish":
        return await this.#wish(this.nodes[event.node]!);
      case "kill":
      case "sleep":
        return this.#trap(event.kind, event.place);
      case "wake":
        return this.#wakes.splice(0).forEach((wake) => wake());
      case "lead":
        return await this.#lead(this.nodes[event.node]!);
      case "mine":
        return await this.chain.fake.mine();
    }
  }

  /** All is well from now on: each wish must come to its end. */
  async heal(): Promise<void> {
    this.#isHealed = true;
    await this.apply({ kind: "wake" });
    await this.#lead(await this.#spawn());
    let isOver = false;
    const all = Promise.all(this.wished.map(({ sent }) => sent)).finally(() => isOver = true);
    while (!isOver) {
      await this.chain.fake.mine();
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    for (const [index, told] of (await all).entries()) {
      if (told !== "success") assert.match(told, /too much is being relayed/);
      const { lane } = this.wished[index]!;
      assert.equal(this.chain.times(lane), told === "success" ? 1n : 0n, `call ${lane}: ${told}`);
    }
    for (const [nonce, calls] of this.broadcast) {
      assert.equal(calls.size, 1, `${calls.size} calls were broadcast under nonce ${nonce}`);
    }
    await this.#leader!.stop();
  }

  async #spawn(): Promise<SendingNode> {
    const node = await this.chain.node(`n${this.#named++}`);
    node.endpoint.intercept = (request) => this.#pass(request);
    return node;
  }

  #pass({ method, params }: { method: string; params?: unknown }) {
    if (method === "eth_sendRawTransaction") {
      const [raw] = params as [Hex];
      const { nonce = 0, data = "0x" } = parseTransaction(raw);
      const calls = this.broadcast.get(nonce) ?? new Set();
      this.broadcast.set(nonce, calls.add(data));
    }
    return Promise.resolve(undefined);
  }

  async #wish({ sender }: SendingNode): Promise<void> {
    const lane = this.lane++;
    const sent = sender.send(await this.chain.call(lane), RELAY);
    const told = sent.then(({ status }) => status, (error) => String(error));
    this.wished.push({ lane, sent: told });
    await new Promise((resolve) => setTimeout(resolve, 5));
  }

  async #lead(node: SendingNode): Promise<void> {
    // A leader of before goes on, as one that has not heard, and stops with its next beat.
    const before = this.#leader;
    if (before === node || this.#silent.has(node)) return;
    this.#leader = node;
    await node.lead();
    await new Promise((resolve) => setTimeout(resolve, 5));
    // It may be killed in the midst of that.
    before?.stop();
  }

  /** The leader ends or stands still in the midst of what it does. */
  #trap(kind: "kill" | "sleep", place: string): void {
    const node = this.#leader;
    if (node === null) return;
    const stand = async (): Promise<void> => {
      if (this.#isHealed) return;
      this.#silent.add(node);
      if (this.#leader === node) this.#leader = null;
      if (kind === "sleep") return await this.#sleep(node);
      node.kill();
      await new Promise(() => {});
    };
    node.intercept = (statement) => statement.includes(place) ? stand() : Promise.resolve();
    node.endpoint.intercept = async (request) => {
      if (request.method === place) await stand();
      return await this.#pass(request);
    };
  }

  /** What it asked and asks is answered when it wakes. */
  #sleep(node: SendingNode): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    node.intercept = () => promise;
    node.endpoint.intercept = () => promise.then(() => undefined);
    this.#wakes.push(() => {
      this.#silent.delete(node);
      node.intercept = () => Promise.resolve();
      node.endpoint.intercept = (request) => this.#pass(request);
      resolve();
    });
    return promise;
  }
}

Deno.test({
  name: "whoever is killed, sleeps or wakes when, each call is sent once and one under a nonce",
  ignore: SERVER === null,
  async fn() {
    await using chain = await openFleetChain(SERVER!);
    chain.fake.isMining = false;
    chain.fake.allow(chain.payer, 5n, 1_000_000n);
    let lane = 1;
    const property = fc.asyncProperty(
      fc.array(event, { minLength: 4, maxLength: 24, size: "max" }),
      async (events) => {
        const fleet = await new Fleet(chain, lane).open();
        lane += 100;
        for (const each of events) await fleet.apply(each);
        await fleet.heal();
      },
    );
    await fc.assert(property, { numRuns: RUNS, endOnFailure: true });
  },
});
