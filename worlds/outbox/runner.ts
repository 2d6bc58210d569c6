/** The real outbox among the events that the model knows, with a clock and timer moved by hand. */
import assert from "node:assert/strict";
import { KhachapuriError } from "../../lib/errors.ts";
import type { Notice } from "../../lib/chain/outbox/options.ts";
import { Outbox } from "../../lib/chain/outbox/outbox.ts";
import type { Policy } from "../../lib/chain/outbox/plan.ts";
import { createMemoryStore, type OutboxStore } from "../../lib/chain/outbox/store.ts";
import { CHAIN_EVENTS, emptyChain } from "./chain.ts";
import { callData, formOf, NONCE_ACCOUNT, nonceClient } from "./client.ts";
import * as referee from "./referee.ts";
import { countCalls, nameOf, STANDINGS } from "./calls.ts";
import { CALLS_MAX, type Event } from "./model.ts";

/** More turns of the event loop than anything here takes. */
const TURNS_MAX = 2_000;

export class OutboxRunner {
  readonly scene: referee.Scene = { chain: emptyChain(), calls: {}, store: [] };
  readonly #policy: Policy;
  readonly #client = nonceClient(
    this.scene,
    (form) => this.#judge(() => referee.noteOffered(this.scene, form)),
    () => this.#head,
  );
  #memory = createMemoryStore();
  /** What a power cut brings back. */
  #unsynced: Parameters<OutboxStore["remember"]>[0][] = [];
  #outbox!: Outbox;
  #now = 0;
  #head = 0;
  #timer: (() => void) | null = null;
  /** The process ends when it has stored something. */
  #isDying = false;
  /** What this process's senders were told, by call. */
  #told = new Map<string, string>();
  /** What the referee, asked in the middle of the outbox's work, found wrong. */
  #breaches: unknown[] = [];

  private constructor(policy: Policy) {
    this.#policy = policy;
  }

  static async start(policy: Policy): Promise<OutboxRunner> {
    const runner = new OutboxRunner(policy);
    runner.#outbox = await runner.#start();
    return runner;
  }

  /** Transactions that are out. */
  get size(): number {
    return this.#outbox.size;
  }

  async apply(event: Event): Promise<void> {
    switch (event) {
      case "send":
        return await this.#send("settlement");
      case "relay":
        return await this.#send("relay");
      case "send and die":
        this.#isDying = true;
        this.#send("settlement");
        // Enough to have stored it; it would wait for ever for the rest.
        await turns(() => false, 40);
        this.#isDying = false;
        return await this.#restart();
      case "look":
        return await this.#look();
      case "wait":
        this.#now += 1;
        if (!this.scene.chain.isStill) this.#head += 1;
        return await this.#look();
      case "crash":
        return await this.#restart();
      case "cut the power":
        for (const form of this.#unsynced.splice(0)) {
          await this.#memory.remember(form);
          this.scene.store.push(formOf(form.raw));
        }
        return await this.#restart();
      default:
        CHAIN_EVENTS[event](this.scene.chain);
        referee.checkChain(this.scene);
    }
  }

  /** @throws what was found wrong first */
  check(): void {
    for (const breach of this.#breaches) throw breach;
    for (const [call, told] of this.#told) {
      assert.equal(told, this.scene.calls[call]!.told, `what ${call} is told`);
    }
  }

  #judge(work: () => void): void {
    try {
      work();
    } catch (breach) {
      this.#breaches.push(breach);
    }
  }

  #start(): Promise<Outbox> {
    return Outbox.open({
      client: this.#client,
      endpoint: "fake",
      chainId: 1,
      account: NONCE_ACCOUNT,
      store: this.#store(),
      policy: this.#policy,
      pause: { firstMs: 1, lastMs: 1 },
      launchAttempts: this.#policy.repair === null ? 3 : null,
      now: () => this.#now,
      after: (_, callback) => {
        this.#timer = callback;
        return () => void (this.#timer = null);
      },
      onMined: (receipt) => {
        const { call } = receipt as unknown as { call: string };
        this.#judge(() => referee.noteMined(this.scene, call));
        return Promise.resolve();
      },
      wordGiveUp: ({ reason }) => new KhachapuriError("chain_unavailable", reason),
      notice: (notice) => this.#notice(notice),
    });
  }

  #store(): OutboxStore {
    const memory = this.#memory;
    const { scene } = this;
    return {
      load: () => memory.load(),
      remember: async (form) => {
        this.#judge(() => referee.noteStored(scene, formOf(form.raw)));
        this.#unsynced = [];
        await memory.remember(form);
        if (this.#isDying) await new Promise(() => {});
      },
      forget: async (nonce) => {
        this.#unsynced.push(...(await memory.load()).filter((form) => form.nonce === nonce));
        await memory.forget(nonce);
        scene.store = scene.store.filter((form) => form.nonce !== nonce);
      },
    };
  }

  #notice(notice: Notice): void {
    if (notice.kind !== "given up") return;
    const isSaid = this.#policy.repair === null;
    this.#judge(() => referee.noteNonceGivenUp(this.scene, notice.nonce, isSaid));
  }

  async #send(rank: "settlement" | "relay"): Promise<void> {
    const { scene } = this;
    const count = countCalls(scene);
    if (count >= CALLS_MAX) return;
    const call = nameOf(rank, count);
    const outgoing = { to: NONCE_ACCOUNT.address, data: callData(call), gas: 21_000n };
    const launched = this.#outbox.launch(STANDINGS[rank], () => Promise.resolve(outgoing));
    const told = this.#told;
    await launched.then(({ mined }) => {
      told.set(call, "nothing");
      mined.then(() => told.set(call, "mined"), () => told.set(call, "given up"));
    }, () => {
      if (scene.calls[call]) referee.noteGivenUp(scene, call, true);
    });
  }

  async #look(): Promise<void> {
    const look = this.#timer;
    this.#timer = null;
    if (look === null) return;
    look();
    await turns(() => this.#timer !== null || this.size === 0, TURNS_MAX);
    // What hangs on promises of the look.
    await turns(() => false, 3);
  }

  async #restart(): Promise<void> {
    this.#timer = null;
    this.#unsynced = [];
    this.#told = new Map();
    if (this.#policy.repair === null) {
      for (const [name, { told }] of Object.entries(this.scene.calls)) {
        if (told === "nothing") referee.noteGivenUp(this.scene, name, true);
      }
      this.#memory = createMemoryStore();
      this.scene.store = [];
    }
    this.#outbox = await this.#start();
  }
}

/** Turns of the microtask queue, until `isOver` or there were too many. */
async function turns(isOver: () => boolean, most: number): Promise<void> {
  for (let turn = 0; turn < most; turn++) {
    if (isOver()) return;
    await null;
  }
  assert.ok(most !== TURNS_MAX, "the outbox looks no more");
}
