/**
 * A credit held and charged, by the ledgers alone, with nothing around them: PostgreSQL's is on
 * disk when a call is answered, so SQLite's is waited for as well, where served calls of owners
 * leave it to the operating system (rows "nothing run").
 */
import { freshDatabase } from "../worlds/fleet_database.ts";
import { openLedgerNode } from "../worlds/fleet_ledger.ts";
import { drawOf, openLedger, permitOf, viewOf } from "../worlds/ledger.ts";
import { UINT128_MAX } from "../lib/permit.ts";
import type { Ledger } from "../lib/provider/ledger/ledger.ts";
import { measure, p50, rateRatio, type Target } from "./call_rounds.ts";
import type { FleetWorld } from "./fleet_world.ts";
import { PLENTY } from "./payments_world.ts";
import { atLeast, atMost, median, type Report, type Row } from "./report.ts";

const CONCURRENCY = [1, 16, 64];
const [SQLITE, POSTGRES] = ["SQLite, on disk", "PostgreSQL"];
const P50_MOST = 2;
const RATE_LEAST = 0.8;

export async function measureLedgers({ cluster }: FleetWorld): Promise<Report> {
  await using stack = new AsyncDisposableStack();
  const { ledger } = stack.use(await openLedger());
  const { database } = stack.use(await freshDatabase(cluster));
  const node = stack.use(await openLedgerNode(database));
  const targets = [creditsOf(SQLITE!, ledger), creditsOf(POSTGRES!, node.ledger)];
  const rows: Row[] = [];
  const must: Report["must"] = [];
  for (const c of CONCURRENCY) {
    const found = await measure(targets, c);
    for (const [name, { rates }] of found) {
      rows.push({
        ...{ what: "a credit, held and charged", ledger: name, c },
        "p50 ms": p50(found, name),
        "calls/s": median(rates),
        "of SQLite": rateRatio(found, name, SQLITE),
      });
    }
    const slower = p50(found, POSTGRES!) / p50(found, SQLITE!);
    const rate = rateRatio(found, POSTGRES!, SQLITE);
    const unit = "of SQLite's on disk";
    if (c === 1) must.push(atMost("a credit's p50 at c=1", slower, unit, P50_MOST));
    if (c === 16) must.push(atLeast("a payer's credits at c=16", rate, unit, RATE_LEAST));
  }
  return { rows, must };
}

/** An owner's, who allows more than is used. */
function creditsOf(name: string, ledger: Ledger): Target {
  const draw = drawOf({ permit: permitOf({ credits: UINT128_MAX }) });
  const view = viewOf(PLENTY);
  return {
    name,
    async once() {
      const held = await ledger.hold(draw, view, "allowance");
      if (!held.payable) throw new Error("no credit is left");
      await ledger.charge(held, "answered", null, "disk");
    },
  };
}
