/** Nodes that call at once, are cut off, and hear answers only the second time. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { freshDatabase, startFleetServer } from "../../../../worlds/fleet_database.ts";
import { assertBooks, type LedgerNode, openLedgerNode } from "../../../../worlds/fleet_ledger.ts";
import {
  drawOf,
  LANE,
  OTHER_LANE,
  OTHER_PAYER,
  PAYER,
  permitOf,
  signatureOf,
  TRANSACTION,
  viewOf,
} from "../../../../worlds/ledger.ts";
import { UINT128_MAX } from "../../../permit.ts";
import type { Database } from "../../fleet/database.ts";
import type { Held } from "../ledger.ts";

const SERVER = await startFleetServer();
const NODES = 3;
const PAYERS = [PAYER, OTHER_PAYER];
/** Credits of each payer, at most, in the whole history. */
const CEILING_MOST = 60n;

const call = fc.record({
  kind: fc.constant("call" as const),
  node: fc.nat(NODES - 1),
  payer: fc.nat(1),
  lane: fc.constantFrom(LANE, OTHER_LANE),
  /** Calls that come together. */
  count: fc.integer({ min: 1, max: 12 }),
  /** How each ends. */
  ends: fc.constantFrom("charge" as const, "release" as const, "goes on" as const),
  isOwners: fc.boolean(),
});

const step = fc.oneof(
  { weight: 8, arbitrary: call },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("end" as const), node: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("cut off" as const), node: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("beat" as const), node: fc.nat(2) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("allow" as const), ceiling: fc.bigInt(0n, 60n) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("settle" as const),
      payer: fc.nat(1),
      lane: fc.constantFrom(LANE, OTHER_LANE),
    }),
  },
);

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Each turn's answer is lost, and what comes is the answer to its second sending. */
function hardOfHearing(inner: Database): Database {
  return {
    name: inner.name,
    trouble: () => inner.trouble(),
    script: (statements) => inner.script(statements),
    close: () => inner.close(),
    async ask(statement, parameters, options) {
      if (statement.includes("SELECT turn_")) await inner.ask(statement, parameters, options);
      return await inner.ask(statement, parameters, options);
    },
  };
}

class History {
  /** What each node has in hand. */
  readonly going: Held[][] = Array.from({ length: NODES }, () => []);
  /** Reservations whose charge was acknowledged. */
  readonly acknowledged = new Set<number>();
  #ceiling = 30n;
  #block = 1n;

  constructor(readonly nodes: readonly LedgerNode[], readonly database: Database) {}

  async take(step: Step): Promise<void> {
    switch (step.kind) {
      case "call":
        return await this.#call(step);
      case "end":
        await Promise.all(
          this.going[step.node]!.splice(0).map((held) => {
            return this.#charge(step.node, held);
          }),
        );
        return;
      case "cut off":
        await this.database.ask(
          "UPDATE sessions SET until = now() - interval '1 ms' WHERE id = $1",
          [
            this.nodes[step.node]!.sessions.session,
          ],
        );
        return;
      case "beat":
        return await this.nodes[step.node]!.sessions.beat();
      case "allow":
        this.#ceiling = step.ceiling;
        this.#block += 1n;
        return;
      case "settle": {
        const id = { payer: PAYERS[step.payer]!, lane: step.lane };
        const { ledger } = this.nodes[0]!;
        const settled = (await ledger.lane(id))?.charged;
        if (settled === undefined) return;
        const fact = { ...id, settled, block: this.#block, transaction: TRANSACTION };
        return await ledger.record([{ ...fact, fact: "settled" }]);
      }
    }
  }

  async #call(
    { node, payer, lane, count, ends, isOwners }: Step & { kind: "call" },
  ): Promise<void> {
    const { ledger } = this.nodes[node]!;
    const id = { payer: PAYERS[payer]!, lane };
    const credits = isOwners ? UINT128_MAX : 40n;
    const permit = permitOf({ ...id, credits, signature: signatureOf(isOwners ? 1 : 2) });
    const view = viewOf(this.#ceiling, { block: this.#block, signer: id.payer });
    await Promise.all(Array.from({ length: count }, async () => {
      const answer = await ledger.hold(drawOf({ ...id, permit }), view, "allowance");
      if (!answer.payable) return;
      if (ends === "charge") await this.#charge(node, answer);
      else if (ends === "release") ledger.release(answer, "hung up");
      else this.going[node]!.push(answer);
    }));
  }

  async #charge(node: number, held: Held): Promise<void> {
    try {
      await this.nodes[node]!.ledger.charge(held, "answered", null);
    } catch (error) {
      // Its session was given up: the run is free.
      assert.equal((error as { code?: string }).code, "overloaded");
      return;
    }
    assert.ok(!this.acknowledged.has(held.reservation), "one reservation is charged once");
    this.acknowledged.add(held.reservation);
  }

  async check(): Promise<void> {
    await assertBooks(this.database);
    const [row] = await this.database.ask<{ most: string; missing: number }>(
      `SELECT (SELECT max(used + held)::text FROM accounts) AS most,
        (SELECT count(*)::int4 FROM jsonb_array_elements_text($1::text::jsonb) AS a(id)
          WHERE NOT EXISTS (SELECT FROM journal WHERE reservation = id::int8)) AS missing`,
      [JSON.stringify([...this.acknowledged])],
    );
    assert.ok(BigInt(row!.most ?? 0) <= CEILING_MOST, `${row!.most} are used and held`);
    assert.equal(row!.missing, 0, "what was acknowledged is in the journal");
  }
}

Deno.test({
  name: "whatever nodes do at once, and whoever is cut off, the books of a fleet are exact",
  ignore: SERVER === null,
  async fn() {
    const property = fc.asyncProperty(
      fc.array(step, { minLength: 5, maxLength: 25, size: "max" }),
      async (steps) => {
        await using world = await freshDatabase(SERVER!);
        await using stack = new AsyncDisposableStack();
        const nodes: LedgerNode[] = [];
        for (let node = 0; node < NODES; node++) {
          const database = node === 1 ? hardOfHearing(await world.open()) : await world.open();
          nodes.push(stack.use(await openLedgerNode(database, `n${node}`)));
        }
        const history = new History(nodes, world.database);
        // Three at a time, so that nodes meet.
        for (let at = 0; at < steps.length; at += 3) {
          await Promise.all(steps.slice(at, at + 3).map((step) => history.take(step)));
          await history.check();
        }
        await stack.move().disposeAsync();
        const { held } = await assertBooks(world.database);
        assert.equal(held, 0, "when all have left nothing is held");
      },
    );
    await fc.assert(property, { numRuns: Number(Deno.env.get("KHACHAPURI_RUNS") ?? 5) });
  },
});
