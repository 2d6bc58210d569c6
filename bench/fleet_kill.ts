/**
 * What callers notice of a node that is killed, and whether they pay for it: some call without a
 * key and never again, the others pay and ask under a key until they are answered.
 */
import { pause } from "../lib/pause.ts";
import type { Database } from "../lib/provider/fleet/database.ts";
import { assertBooks } from "../worlds/fleet_ledger.ts";
import type { FleetWorld } from "./fleet_world.ts";
import { deployHello, PLENTY } from "./payments_world.ts";
import { atMost, type Report } from "./report.ts";

const LANE = `0x${"1b".repeat(32)}` as const;
/** Of each kind. */
const CALLERS = 6;
const DEPLOYMENTS = 6;
const KILLS = 9;
/** Of answers before each kill. */
const BETWEEN = 300;
/** No caller meets an error any more by then, ms. */
const OVER_MS = 4_000;
const AGAIN_MS = 20;
const SPAN_MS_MOST = 1_000;
/** A session that nobody prolongs is over by then, and what it held given back, ms. */
const REAPED_MS = 30_000;

export async function measureKill({ fleet }: FleetWorld): Promise<Report> {
  await using stack = new AsyncDisposableStack();
  const { database: { database }, market, nodes, url } = fleet;
  const deploy = () => Array.fromAsync({ length: DEPLOYMENTS }, () => deployHello(market));
  const plain = startCallers(url, await deploy(), callOnce);
  const permit = await market.pay(market.accounts.payer, { lane: LANE, credits: PLENTY });
  const keyed = startCallers(url, await deploy(), callUnderKey(permit));
  for (const node of nodes) {
    await node.start();
    stack.defer(() => node.process.kill());
  }
  for (const callers of [plain, keyed]) callers.begin();
  const spans: number[] = [];
  for (let kill = 0; kill < KILLS; kill++) {
    await plain.goesOn(BETWEEN);
    const begun = plain.failures.length;
    await nodes[kill % nodes.length]!.process.kill();
    await pause(OVER_MS);
    const seen = plain.failures.slice(begun);
    spans.push(seen.length === 0 ? 0 : seen.at(-1)! - seen[0]!);
    await nodes[kill % nodes.length]!.start();
  }
  await plain.goesOn(BETWEEN);
  for (const callers of [plain, keyed]) await callers.stop();
  await restingBooks(database);
  const rowOf = async (ledger: string, { cids, answered, failures, waits }: Callers) => ({
    what: `${KILLS} nodes are killed`,
    ledger,
    c: CALLERS,
    answered: answered(),
    charged: await chargesOf(database, cids),
    errors: failures.length,
    "longest wait, ms": Math.max(0, ...waits),
  });
  const rows = [await rowOf("calls without a key", plain), await rowOf("calls with a key", keyed)];
  const [withoutKey, withKey] = rows.map(({ charged, answered }) => charged - answered);
  const span = Math.max(...spans);
  return {
    rows,
    must: [
      atMost("errors after a kill, from the first to the last", span, "ms", SPAN_MS_MOST),
      atMost("keys that were charged and not answered", withKey!, "", 0),
      // The charge is there and its answer is on its way as the node dies.
      atMost(
        "calls without a key, charged and cut off, of those cut off",
        withoutKey!,
        "",
        plain.failures.length,
      ),
    ],
  };
}

/** Calls, and notes what came of it. */
type Call = (url: string, callers: Callers) => Promise<void>;

interface Callers {
  readonly cids: readonly string[];
  /** When each was told, ms. */
  readonly failures: number[];
  /** ms of each answer under a key. */
  readonly waits: number[];
  answered(): number;
  note(): void;
  begin(): void;
  goesOn(answers: number): Promise<void>;
  stop(): Promise<void>;
}

/** Callers that call again at once, whatever they are told. */
function startCallers(url: string, cids: readonly string[], call: Call): Callers {
  let [answered, isOver] = [0, false];
  let loops: Promise<void>[] = [];
  const callers: Callers = {
    cids,
    failures: [],
    waits: [],
    answered: () => answered,
    note: () => void (answered += 1),
    begin() {
      loops = Array.from({ length: CALLERS }, async (_, at) => {
        for (let next = at; !isOver; next++) {
          await call(`${url}/${cids[next % cids.length]}`, callers);
        }
      });
    },
    async goesOn(answers) {
      const until = answered + answers;
      while (answered < until) await pause(AGAIN_MS);
    },
    async stop() {
      isOver = true;
      await Promise.all(loops);
    },
  };
  return callers;
}

async function callOnce(url: string, callers: Callers): Promise<void> {
  if (await isAnswered(url, {})) return callers.note();
  callers.failures.push(performance.now());
  await pause(AGAIN_MS);
}

/** Until it has its answer. */
function callUnderKey(permit: Record<string, string>): Call {
  return async (url, callers) => {
    const headers = { ...permit, "idempotency-key": `"${crypto.randomUUID()}"` };
    const since = performance.now();
    for (let tries = 0; !await isAnswered(url, headers); tries++) {
      callers.failures.push(performance.now());
      await pause(AGAIN_MS);
    }
    callers.waits.push(performance.now() - since);
    callers.note();
  };
}

async function isAnswered(url: string, headers: Record<string, string>): Promise<boolean> {
  try {
    const response = await fetch(url, { headers });
    return await response.text() === "hello\n" && response.status === 200;
  } catch {
    return false;
  }
}

/** When nobody holds anything any more. */
async function restingBooks(database: Database): Promise<void> {
  const until = performance.now() + REAPED_MS;
  while ((await assertBooks(database)).held > 0 && performance.now() < until) {
    await pause(AGAIN_MS);
  }
}

async function chargesOf(database: Database, cids: readonly string[]): Promise<number> {
  const [row] = await database.ask<{ charges: number }>(
    "SELECT count(*)::int4 AS charges FROM journal WHERE cid = ANY ($1::text[])",
    [`{${cids.join(",")}}`],
    { isLong: true },
  );
  return row!.charges;
}
