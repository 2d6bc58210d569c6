/** Nodes that crash, stall and come back, on connections that repeat, lose and delay statements. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Address } from "viem";
import { startFleetServer } from "../../../worlds/fleet_database.ts";
import {
  type FleetAnswers,
  FleetNode,
  openFleetAnswers,
  type SessionCredits,
} from "../../../worlds/kept_answers.ts";
import { asKhachapuriError, KhachapuriError } from "../../errors.ts";
import type { Database } from "../fleet/database.ts";
import type { Claim, RequestKey, StoredAnswer } from "./idempotency.ts";

const SERVER = await startFleetServer();
const RUNS = Number(Deno.env.get("KHACHAPURI_RUNS") ?? 25);
const NODES = 2;
const KEYS = 2;
const PRINT = Uint8Array.of(1);
const AWAY = "database_unavailable";

/** What becomes of a statement; of the last two nobody hears. */
type Fate = "carried out" | "carried out twice" | "carried out unheard" | "delayed";

type Step =
  | { do: "take"; node: number; key: number; fate: Fate }
  /** A run stores its answer, and then is charged. */
  | { do: "go on"; node: number; fate: Fate }
  | { do: "fail"; node: number; fate: Fate }
  /** A run is told that its charge failed, which its node goes on with. */
  | { do: "give up waiting"; node: number }
  | { do: "sweep"; node: number; fate: Fate }
  /** Nothing is heard of a node, though it goes on. */
  | { do: "stall"; node: number }
  | { do: "notice"; node: number }
  | { do: "crash"; node: number }
  | { do: "give back" }
  | { do: "land" };

const node = fc.nat(NODES - 1);
const fate: fc.Arbitrary<Fate> = fc.oneof(
  { weight: 6, arbitrary: fc.constant<Fate>("carried out") },
  fc.constantFrom<Fate>("carried out twice", "carried out unheard", "delayed"),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant("take" as const), node, key: fc.nat(KEYS - 1), fate }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("go on" as const), node, fate }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("land" as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("give back" as const) }) },
  fc.record({ do: fc.constantFrom("fail" as const, "sweep" as const), node, fate }),
  fc.record({
    do: fc.constantFrom(
      "give up waiting" as const,
      "stall" as const,
      "notice" as const,
      "crash" as const,
    ),
    node,
  }),
);

interface Run {
  readonly key: number;
  readonly answer: StoredAnswer;
  readonly claim: Claim;
  /** Once its answer is stored. */
  held: { readonly reservation: number; readonly credits: SessionCredits } | null;
}

interface Process {
  readonly it: FleetNode;
  readonly link: { fate: Fate };
  runs: Run[];
}

class History {
  readonly #processes: Process[] = [];
  /** Statements that arrive later. */
  #delayed: (() => Promise<unknown>)[] = [];
  readonly #charged = new Map<number, Run>();
  #answers = 0;

  constructor(private readonly fleet: FleetAnswers, private readonly number: number) {}

  async begin(): Promise<void> {
    while (this.#processes.length < NODES) this.#processes.push(await this.#process());
  }

  async do(step: Step): Promise<void> {
    if (step.do === "give back") return await this.fleet.giveBack();
    if (step.do === "land") return await this.#land();
    const process = this.#processes[step.node]!;
    process.link.fate = "fate" in step ? step.fate : "carried out";
    switch (step.do) {
      case "take":
        return await this.#take(process, step.key);
      case "go on":
        return await this.#goOn(process, process.runs[0]);
      case "fail": {
        const run = process.runs.findLast(({ held }) => held === null);
        return run && await this.#end(process, run, false);
      }
      case "give up waiting":
        return await process.runs.find(({ held }) => held !== null)?.claim.end(false);
      case "sweep":
        return await process.it.answers.sweep().catch(assertAway);
      case "stall":
        await this.fleet.silence(process.it.session);
        return await this.fleet.giveUp();
      case "notice":
        // What becomes of the charges of the session before, it knows no more.
        process.it.charging.clear();
        return await process.it.renew();
      case "crash":
        process.it.answers.close();
        await this.fleet.silence(process.it.session);
        this.#processes[step.node] = await this.#process();
    }
  }

  /** Whatever went before, each key has the answer that was paid for, or can be taken. */
  async conclude(): Promise<void> {
    await this.#land();
    for (const process of this.#processes) {
      process.link.fate = "carried out";
      for (const run of [...process.runs]) await this.#goOn(process, run);
      for (const run of [...process.runs]) await this.#goOn(process, run);
      assert.deepEqual(process.runs, []);
      await process.it.answers.sweep();
    }
    await this.fleet.giveBack();
    for (let key = 0; key < KEYS; key++) {
      for (const process of this.#processes) {
        await this.#take(process, key);
        for (const run of [...process.runs]) await this.#end(process, run, false);
      }
    }
    for (const { it } of this.#processes) it.answers.close();
  }

  async #process(): Promise<Process> {
    const link = { fate: "carried out" as Fate };
    const { database } = this.fleet;
    const asked: Database = {
      ...{ name: database.name, script: database.script, trouble: database.trouble },
      ask: async <Row>(...ask: Parameters<Database["ask"]>) => {
        const send = () => database.ask<Row>(...ask);
        if (link.fate === "delayed") this.#delayed.push(send);
        else if (link.fate === "carried out twice") await send();
        const rows = link.fate === "delayed" ? [] : await send();
        if (link.fate === "delayed" || link.fate === "carried out unheard") {
          throw new KhachapuriError(AWAY, "so it is");
        }
        return rows;
      },
      close: () => Promise.resolve(),
    };
    const it = await FleetNode.begin(database, { link: asked });
    return { it, link, runs: [] };
  }

  async #land(): Promise<void> {
    const delayed = this.#delayed;
    this.#delayed = [];
    for (const send of delayed) await send();
  }

  #keyOf(key: number): RequestKey {
    const id = new TextEncoder().encode(`${key} of ${this.number}`.padEnd(32));
    return { id, payer: `0x${"11".repeat(20)}` as Address, isPayment: false };
  }

  async #take(process: Process, key: number): Promise<void> {
    const paid = this.#charged.get(key);
    try {
      const taken = await process.it.answers.take(this.#keyOf(key), PRINT);
      if ("stored" in taken) {
        assert.ok(paid, "it was answered, and not charged");
        return assert.deepEqual(taken.stored, paid.answer);
      }
      assert.ok(!paid, "it runs again, and was charged");
      const body = new TextEncoder().encode(`answer ${++this.#answers}`);
      const answer = { status: 200, headers: [], body };
      process.runs.push({ key, answer, claim: taken.claim, held: null });
    } catch (thrown) {
      const error = asKhachapuriError(thrown);
      if (error.code === AWAY || error.code === "rate_limited") return;
      assert.equal(error.code, "idempotency_conflict", String(thrown));
      assert.ok(!paid, "it was charged, and is not answered");
    }
  }

  async #goOn(process: Process, run: Run | undefined): Promise<void> {
    if (!run) return;
    if (run.held) return await this.#charge(process, run, run.held);
    const { credits } = process.it;
    try {
      const reservation = await credits.hold();
      process.it.charging.add(reservation);
      run.held = { reservation, credits };
      await run.claim.store(run.answer, reservation);
    } catch {
      await this.#end(process, run, false);
    }
  }

  async #charge(
    process: Process,
    run: Run,
    { credits, reservation }: NonNullable<Run["held"]>,
  ): Promise<void> {
    try {
      await credits.charge(reservation);
    } catch {
      return await this.#end(process, run, false);
    }
    assert.ok(!this.#charged.has(run.key), "it was charged twice");
    this.#charged.set(run.key, run);
    await this.#end(process, run, true);
  }

  async #end(process: Process, run: Run, isCharged: boolean): Promise<void> {
    process.runs.splice(process.runs.indexOf(run), 1);
    if (run.held) process.it.charging.delete(run.held.reservation);
    await run.claim.end(isCharged);
  }
}

function assertAway(error: unknown): void {
  assert.equal(asKhachapuriError(error).code, AWAY, String(error));
}

Deno.test({
  name: "whatever nodes and connections do, a key is charged once and has one answer",
  ignore: SERVER === null,
  async fn() {
    await using fleet = await openFleetAnswers(SERVER!);
    let number = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40, size: "max" }), async (steps) => {
        const history = new History(fleet, ++number);
        await history.begin();
        for (const each of steps) await history.do(each);
        await history.conclude();
      }),
      { numRuns: RUNS },
    );
  },
});
