/** How long a node takes to its first answer where the fleet has ten million charges, and none. */
import { freshDatabase } from "../worlds/fleet_database.ts";
import { changeConfig } from "../worlds/home.ts";
import { startChildProvider } from "../worlds/child_provider.ts";
import type { FleetWorld } from "./fleet_world.ts";
import { atMost, median, type Report } from "./report.ts";

const CHARGES = 10_000_000;
const LANES = 1_000;
const STARTS = 5;
const MS_MOST = 1_000;

export async function measureStart(world: FleetWorld): Promise<Report> {
  await using empty = await freshDatabase(world.cluster);
  await using long = await freshDatabase(world.cluster);
  for (const statement of LONG) {
    await long.database.ask(statement, [], { isLong: true, patienceMs: Infinity });
  }
  const sides = [
    { what: "an empty fleet", uri: empty.uri, home: await world.nodeHome(), ms: [] as number[] },
    { what: "10 million charges", uri: long.uri, home: await world.nodeHome(), ms: [] as number[] },
  ];
  for (const { home, uri } of sides) {
    await changeConfig(home, ({ provider, ...rest }) => (
      { ...rest, provider: { ...provider, ledger: { postgres: uri } } }
    ));
    // Lays out the home.
    await startOn(home);
  }
  for (let turn = 0; turn < STARTS; turn++) {
    for (const { home, ms } of sides) ms.push(await startOn(home));
  }
  return {
    rows: sides.map(({ what, ms }) => ({
      what: `a node's start, ${what}`,
      ledger: "PostgreSQL",
      "p50 ms": median(ms),
    })),
    must: [
      atMost(`a start on ${CHARGES / 1e6} million charges`, median(sides[1]!.ms), "ms", MS_MOST),
    ],
  };
}

/** @returns ms from its start to its first answer */
async function startOn(home: string): Promise<number> {
  const startedAt = performance.now();
  const process = await startChildProvider(home, { logLevel: "info" });
  const url = await process.url;
  if (url === null) throw new Error(`it does not start: see ${home}/provider.log`);
  await (await fetch(`${url}/healthz`)).text();
  const ms = performance.now() - startedAt;
  await process.stop();
  return ms;
}

/** All settled long ago, in turn on a thousand lanes of a hundred payers. */
const LONG = [
  `INSERT INTO sessions (node, url, version, until, reaped)
    VALUES ('gone', 'http://127.0.0.1:1', '0', now() - interval '1 day', true)`,
  `INSERT INTO accounts (payer, ceiling, used, settled)
    SELECT '0x' || lpad(to_hex(n), 40, '0'), ${CHARGES}, ${CHARGES / 100}, ${CHARGES / 100}
    FROM generate_series(1, 100) n`,
  `INSERT INTO lanes (account, lane, opened, opened_at, charged, settled, settled_block)
    SELECT (SELECT min(id) FROM accounts) + n % 100, '0x' || lpad(to_hex(n), 64, '0'),
      0, 0, ${CHARGES / LANES}, ${CHARGES / LANES}, 1
    FROM generate_series(0, ${LANES - 1}) n`,
  `INSERT INTO journal (reservation, at, lane, charged, price, cid, outcome)
    SELECT (1::int8 << 32) + n, now_ms() - 10 * (${CHARGES} - n), first.id + n % ${LANES},
      1 + n / ${LANES}, 1000, 'bafytest', 'answered'
    FROM generate_series(0, ${CHARGES - 1}) n, (SELECT min(id) AS id FROM lanes) first`,
  "ANALYZE",
];
