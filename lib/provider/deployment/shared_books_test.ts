/** That whatever is done at the nodes of a fleet, and whoever is killed, all know the same then. */
import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import {
  type BooksNode,
  configured,
  deploymentOf,
  openBooksNode,
  ownerOf,
} from "../../../worlds/fleet_books.ts";
import { freshDatabase, startFleetServer } from "../../../worlds/fleet_database.ts";
import { makeFolder } from "../../../worlds/home.ts";
import type { CidText } from "../../cid.ts";
import type { Database } from "../fleet/database.ts";

const SERVER = await startFleetServer();
const ignore = SERVER === null;

const NODES = 3;
const TABLES = {
  deployments: "SELECT cid, id, owner, firstSeen FROM deployments ORDER BY cid",
  came: "SELECT cid, tariff FROM came ORDER BY cid",
  agreed: "SELECT * FROM agreed ORDER BY cid",
  sealedTo: "SELECT * FROM sealedTo ORDER BY cid",
  abouts: "SELECT * FROM abouts ORDER BY cid",
  lanes: "SELECT * FROM deploymentLanes ORDER BY owner, lane",
  stops: "SELECT * FROM stops ORDER BY owner, id",
  permits: "SELECT payer, lane, permit FROM permits ORDER BY payer, lane",
  tariffs: "SELECT * FROM tariffs ORDER BY no",
  offer: "SELECT offer FROM sharedOffer",
};

/** All that a node knows. */
function knownTo({ records, own, current }: BooksNode) {
  const rows = Object.entries(TABLES).map(([name, select]) => [
    name,
    records.database.prepare(select).all().map((row) => ({ ...row })),
  ]);
  const denials = own.all().map((row) => ({ ...row }));
  return { ...Object.fromEntries(rows), denials, price: current.price };
}

const node = fc.nat(NODES - 1);
const small = fc.integer({ min: 1, max: 4 });
const step = fc.oneof(
  fc.record({ do: fc.constant("pay" as const), node, which: small }),
  fc.record({ do: fc.constant("stop" as const), node, which: small }),
  fc.record({ do: fc.constant("renew" as const), node, which: small, price: small }),
  fc.record({ do: fc.constant("deny" as const), node, which: small }),
  fc.record({ do: fc.constant("lift" as const), node, which: small }),
  fc.record({ do: fc.constant("beat" as const), node }),
  fc.record({ do: fc.constant("kill" as const), node, price: small }),
);
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

class History {
  readonly paid = new Set<number>();
  readonly stopped = new Set<number>();
  #ms = 1_000_000;
  readonly #prices: bigint[] = Array(NODES).fill(7n);
  readonly nodes: BooksNode[] = [];

  constructor(
    private readonly open: (nth: number, price: bigint, now: () => number) => Promise<BooksNode>,
  ) {}

  async start(nth: number, price = this.#prices[nth]!): Promise<void> {
    this.#prices[nth] = price;
    this.nodes[nth] = await this.open(nth, price, () => this.#ms += 1_000);
  }

  async take(step: Step): Promise<void> {
    const { records, books } = this.nodes[step.node]!;
    switch (step.do) {
      case "pay":
        records.registrations.add(deploymentOf(step.which));
        return void this.paid.add(step.which);
      case "stop":
        await books.stops.add(deploymentOf(step.which).spec);
        return void this.stopped.add(step.which);
      case "renew": {
        const { permit } = deploymentOf(step.which).entry;
        return void await books.permits.put({ ...permit, price: BigInt(step.price) });
      }
      case "deny":
        return void await books.denials.deny({
          ...{ kind: "owner", what: ownerOf(step.which), reason: `by ${step.node}` },
          ...{ note: null, until: null },
        });
      case "lift":
        return void await books.denials.lift(step.which).catch(() => {});
      case "beat":
        return await books.beat();
      case "kill":
        // Nothing is closed: another process opens the same files.
        return await this.start(step.node, BigInt(step.price));
    }
  }

  async settle(): Promise<void> {
    for (let round = 0; round < 2; round++) {
      for (const { books } of this.nodes) await books.beat();
    }
  }
}

Deno.test({
  name: "whatever nodes do, at once and killed in between, all know the same in the end",
  ignore,
  async fn() {
    const runs = Number(Deno.env.get("KHACHAPURI_RUNS") ?? 6);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(step, { maxLength: 4 }), { size: "max", maxLength: 25 }),
        async (rounds) => {
          await using world = await freshDatabase(SERVER!);
          await using folder = await makeFolder();
          await using opened = new AsyncDisposableStack();
          const history = new History(async (nth, price, now) => {
            const dir = join(folder.dir, `${nth}`);
            const asked = { dir, now, configured: configured(price, ["terms\n"]) };
            return opened.use(await openBooksNode(world.database, asked));
          });
          for (let nth = 0; nth < NODES; nth++) await history.start(nth);
          for (const round of rounds) {
            const [killed, done] = [
              round.filter((each) => each.do === "kill"),
              round.filter((each) => each.do !== "kill"),
            ];
            await Promise.all(done.map((each) => history.take(each)));
            for (const each of killed) await history.take(each);
          }
          await history.settle();
          const [first, ...others] = history.nodes.map(knownTo);
          for (const other of others) assert.deepEqual(other, first);
          for (const { records: { registrations, stops } } of history.nodes) {
            for (const which of history.paid) {
              assert.ok(registrations.isKnown(`bafy${which}` as CidText));
            }
            for (const which of history.stopped) assert.ok(stops.has(deploymentOf(which).spec));
          }
        },
      ),
      { numRuns: runs },
    );
  },
});

Deno.test({
  name: "a new node takes all there is in slices, so that it needs no memory for all at once",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    await using folder = await makeFolder();
    const open = (name: string, database = world.database) =>
      openBooksNode(database, { dir: join(folder.dir, name) });
    await using one = await open("one");
    one.records.registrations.add(deploymentOf(1));
    await one.books.beat();
    // As if they had been paid for one by one.
    await world.database.script(`
      INSERT INTO shared_rows (kind, key, value, seq, keeps)
        SELECT kind, 'bafy' || n,
          replace(value, '"id":"0x0000', '"id":"0x' || lpad(n::text, 4, '0')),
          1000000 + n, keeps || n
        FROM shared_rows, generate_series(2, 9999) n WHERE key = 'bafy1';
      UPDATE shared_head SET seq = 2000000;
    `);
    const rows: number[] = [];
    const counting: Database = {
      ...world.database,
      async ask<Row>(...asked: Parameters<Database["ask"]>) {
        const found = await world.database.ask<Row>(...asked);
        rows.push(found.length);
        return found;
      },
    };
    await using fresh = await open("fresh", counting);
    assert.equal(fresh.records.registrations.ofOwner(ownerOf(1)).length, 9_999);
    assert.ok(Math.max(...rows) <= 500, `${Math.max(...rows)} rows at a time`);
  },
});
