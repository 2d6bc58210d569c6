/**
 * A whole fleet under load while one thing after another goes wrong, and what must hold of its
 * money whatever did: three nodes behind a HAProxy, a primary with a synchronous standby, each
 * node's wire to both, and a chain.
 */
import assert from "node:assert/strict";
import type { Hex } from "viem";
import { readConsumed } from "../../lib/chain/escrow.ts";
import { deploymentLane } from "../../lib/permit.ts";
import { BrokenWire } from "../../worlds/broken_wire.ts";
import { assertConserved } from "../../worlds/callers.ts";
import { fund } from "../../worlds/chain/escrow_chain.ts";
import { type Fleet, type FleetMember, startFleet } from "../../worlds/fleet.ts";
import { pairDatabase } from "../../worlds/fleet_database.ts";
import { assertBooks } from "../../worlds/fleet_ledger.ts";
import { runIn } from "../../worlds/home.ts";
import { type Pair, startPair } from "../../worlds/postgres/pair.ts";
import type { Random } from "../../worlds/random.ts";
import { until } from "../abuse/server_stage.ts";
import {
  assertReceipts,
  type Crowd,
  type KeyedLane,
  type OwnersLane,
  startCrowd,
} from "./callers.ts";
import { type HeldRpc, startHeldRpc } from "./held_rpc.ts";

export interface Trial extends AsyncDisposable {
  readonly fleet: Fleet;
  readonly pair: Pair;
  readonly rpc: HeldRpc;
  readonly random: Random;
  /** Of a node to the database's two servers. */
  wiresOf(node: FleetMember): readonly BrokenWire[];
  leader(): Promise<FleetMember | null>;
  /** Resolves when callers have had so many further answers. */
  goesOn(answers: number): Promise<void>;
  /** Ends the load, and compares all that is written. @returns what was counted */
  audit(): Promise<Audit>;
}

export interface Audit {
  readonly answered: number;
  readonly charged: number;
  readonly lost: number;
  readonly troubles: Readonly<Record<string, number>>;
}

const ANSWER = "hello\n";
const CREDITS = 1_000_000n;
const LANES = 5;
const LIMITS = {
  timeoutMs: 5_000,
  memoryMb: 64,
  concurrency: 16,
  ownerCreditsPerMinute: 1_000_000,
};
const SETTLEMENT = { mode: "batch", intervalSeconds: 1, pollMs: 100, stuckSeconds: 2 };
/** A session that nobody prolongs is over by then, and what it held given back, ms. */
const REAPED_MS = 30_000;

/** @param bin what `findPostgres` found */
export async function startTrial(bin: string, random: Random): Promise<Trial> {
  await using stack = new AsyncDisposableStack();
  const pair = stack.use(await startPair(bin));
  const database = stack.use(await pairDatabase(pair));
  const rpc = stack.use(startHeldRpc());
  const wires = [0, 1, 2].map(() =>
    [pair.primary.port, pair.standby.port].map((port) => stack.use(new BrokenWire(port)))
  );
  const fleet = stack.use(
    await startFleet(database, {
      credits: CREDITS,
      hasFront: true,
      rpcOf: (url) => rpc.behind(url),
      settings: { settlement: SETTLEMENT, drainSeconds: 3 },
      uriOf: (uri, at) => {
        const hosts = wires[at]!.map(({ port }) => `127.0.0.1:${port}`).join(",");
        return uri.replace(/@[^/]*/, `@${hosts}`);
      },
    }),
  );
  const { owners, lanes, cid } = await openLanes(fleet);
  const troubles = new Map<string, number>();
  const crowd = startCrowd({ url: fleet.url, cid, answer: ANSWER, lanes, owners, troubles });
  const answered = () => lanes.reduce((sum, lane) => sum + lane.answered, owners.answered);
  const owned = stack.move();
  return {
    ...{ fleet, pair, rpc, random },
    wiresOf: (node) => wires[fleet.nodes.indexOf(node)]!,
    leader: () => leaderOf(fleet),
    async goesOn(answers) {
      const before = answered();
      await until(() => answered() >= before + answers, 60_000);
      // Before what is mined is forgotten.
      await assertOneCallANonce(fleet);
    },
    async audit() {
      const { charged } = await audit(fleet, crowd, lanes, owners);
      const told = Object.fromEntries(troubles);
      return { answered: answered(), charged, lost: owners.lost, troubles: told };
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function openLanes({ market }: Fleet) {
  const { owner, payer, stranger } = market.accounts;
  await fund(market, stranger, CREDITS);
  const spec = await market.spec({
    files: { main: "#!/bin/sh\necho hello\n" },
    fields: { limits: LIMITS },
  });
  const cid = await market.publishSpec(spec);
  const owners: OwnersLane = {
    ...{ payer: owner.address, lane: deploymentLane(spec.id), answered: 0, lost: 0 },
  };
  const lanes = await Promise.all(Array.from({ length: LANES }, async (_, at) => {
    const account = at % 2 === 0 ? payer : stranger;
    const lane: Hex = `0x${String(11 + at).repeat(32)}`;
    const headers = await market.pay(account, { lane, credits: CREDITS });
    const keyed: KeyedLane = { payer: account.address, lane, headers, answered: 0, receipts: [] };
    return keyed;
  }));
  return { owners, lanes, cid };
}

async function leaderOf({ database, nodes }: Fleet): Promise<FleetMember | null> {
  const [row] = await database.database.ask<{ node: string }>(
    "SELECT s.node FROM leader l JOIN sessions s ON s.id = l.session WHERE l.until >= now()",
    [],
    { patienceMs: 30_000 },
  );
  return nodes.find(({ name }) => name === row?.node) ?? null;
}

async function audit(
  fleet: Fleet,
  crowd: Crowd,
  lanes: readonly KeyedLane[],
  owners: OwnersLane,
): Promise<{ charged: number }> {
  await crowd.stop();
  const { database: { database }, market, nodes } = fleet;
  const { chain, escrow, accounts: { provider } } = market;
  await until(async () => (await assertBooks(database)).held === 0, REAPED_MS);
  const charges = await chargesByLane(fleet);
  for (const lane of lanes) {
    const about = `lane ${lane.lane.slice(0, 6)}`;
    assert.equal(charges.get(lane.lane), lane.answered, `${about}: one charge for each key`);
    await assertReceipts(nodes[0]!.url, lane);
  }
  const own = charges.get(owners.lane) ?? 0;
  assert.ok(owners.answered <= own, `answered ${owners.answered}, and charged ${own}`);
  assert.ok(own <= owners.answered + owners.lost, `charged ${own} for nothing`);
  // Chains stand still with nothing to mine; a settlement may be on its way still.
  const isSettled = async () => (await runIn(nodes[0]!.home, ["settle"])).code === 0;
  await until(isSettled, 60_000);
  for (const { payer, lane } of [owners, ...lanes]) {
    const taken = await readConsumed(chain, escrow, payer, provider.address, lane);
    assert.equal(Number(taken), charges.get(lane), `charged and not settled: ${lane.slice(0, 6)}`);
  }
  await assertConserved(market, [owners, ...lanes].map(({ payer }) => payer));
  return { charged: [...charges.values()].reduce((sum, each) => sum + each, 0) };
}

async function chargesByLane({ database: { database } }: Fleet): Promise<Map<Hex, number>> {
  const rows = await database.ask<{ lane: Hex; charges: number }>(
    `SELECT l.lane, count(j.*)::int4 AS charges FROM lanes l
      LEFT JOIN journal j ON j.lane = l.id GROUP BY l.lane`,
    [],
    { isLong: true },
  );
  return new Map(rows.map(({ lane, charges }) => [lane, charges]));
}

/** Two leaders never sign two calls under one nonce. */
async function assertOneCallANonce({ database: { database } }: Fleet): Promise<void> {
  const twice = await database.ask(
    "SELECT nonce FROM outbox GROUP BY nonce HAVING count(DISTINCT data) > 1",
    [],
    { patienceMs: 30_000 },
  );
  assert.equal(twice.length, 0, "two calls are signed under one nonce");
}
