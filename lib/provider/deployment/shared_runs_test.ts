import assert from "node:assert/strict";
import { join } from "node:path";
import { freshDatabase, startFleetServer } from "../../../worlds/fleet_database.ts";
import { makeFolder } from "../../../worlds/home.ts";
import { RUN } from "../../../worlds/logged_run.ts";
import type { CidText } from "../../cid.ts";
import { RUN_LOG_RUNS_MAX } from "../../limits.ts";
import {
  SHARED_LINES_AT_ONCE_BYTES_MAX,
  SHARED_LINES_BURST_BYTES_MAX,
} from "../../limits_of_logs.ts";
import { SERVER_LOG_BYTES_MAX } from "../../limits_of_servers.ts";
import type { Database } from "../fleet/database.ts";
import { openRecords } from "./records.ts";
import { SharedRuns } from "./shared_runs.ts";

const SERVER = await startFleetServer();
const ignore = SERVER === null;
const [A, B] = ["bafya", "bafyb"] as [CidText, CidText];
const LONG_MS = 60_000;

async function openWorld() {
  await using stack = new AsyncDisposableStack();
  const world = stack.use(await freshDatabase(SERVER!));
  const { dir } = stack.use(await makeFolder());
  const owned = stack.move();
  return {
    ...world,
    dir,
    /** Opened again it is as after a kill. */
    async node(name: string, database: Database = world.database) {
      const records = openRecords(join(dir, `${name}.db`));
      owned.defer(() => records.close());
      const { runLog, database: file } = records;
      const runs = await SharedRuns.begin({ database, node: name, file, runLog });
      return { runs, runLog, records };
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const run = (at: number) => ({ ...RUN, at, stderr: `\u0000 \ud800 ${at}` });
const entry = (at: number, text = "x") => ({ at, instance: 1, output: text }) as never;
const timesOf = (page: { runs: readonly { at: number }[] }) => page.runs.map(({ at }) => at);

Deno.test({
  name: "an owner reads the runs of all nodes at any, each once, also what was not sent yet",
  ignore,
  async fn() {
    await using world = await openWorld();
    const [one, two] = [await world.node("one"), await world.node("two")];
    one.runs.add(A, run(1));
    one.runs.add(B, run(2));
    const first = await one.runs.read(A);
    assert.deepEqual(first.runs, [run(1)]);
    two.runs.add(A, run(3));
    two.runs.addServerEntry(A, entry(4, "hello"));
    assert.deepEqual((await two.runs.read(A)).runs, [run(1), run(3)]);
    const next = await one.runs.read(A, first.cursor);
    assert.deepEqual([timesOf(next), next.server], [[3], [entry(4, "hello")]]);
    assert.deepEqual(await one.runs.read(A, next.cursor), {
      ...{ runs: [], server: [], cursor: next.cursor },
    });
    const last = await two.runs.lastOf([A, B, "bafyc" as CidText]);
    assert.deepEqual([...last].map(([cid, { at }]) => [cid, at]), [[A, 3], [B, 2]]);
    const lost = await one.runs.read(A, 9_999_999);
    assert.deepEqual(timesOf(lost), [1, 3], "a cursor of a database that is no more");
  },
});

Deno.test({
  name: "lines that were written before a kill are sent after it, and none twice",
  ignore,
  async fn() {
    await using world = await openWorld();
    const cut: Database = {
      ...world.database,
      ask: (statement, ...rest) => {
        if (statement.includes("log_runs_1")) return Promise.reject(new Error("away"));
        return world.database.ask(statement, ...rest);
      },
    };
    const one = await world.node("one", cut);
    one.runs.add(A, run(1));
    await assert.rejects(one.runs.read(A));
    assert.deepEqual(timesOf(one.runLog.read(A)), [1]);
    const again = await world.node("one");
    assert.deepEqual(timesOf(await again.runs.read(A)), [1]);
    again.runs.add(A, run(2));
    await again.runs.read(A);
    // Its answer was lost: what is sent again is known.
    const whole = JSON.stringify([[1, A, false, "{}"], [2, A, false, "{}"], [3, B, false, "{}"]]);
    const [origin] = await world.database.ask<{ origin: string }>("SELECT origin FROM run_origins");
    const most = '{"runs": 9, "server": 9, "allRuns": 999, "allServers": 999}';
    await world.database.ask("SELECT log_runs_1($1, $2::text::jsonb, $3::text::jsonb)", [
      ...[origin!.origin, whole, most],
    ]);
    assert.deepEqual(timesOf(await again.runs.read(A)), [1, 2]);
    assert.equal((await again.runs.read(B)).runs.length, 1);
  },
});

Deno.test({
  name: "numbers of lines that the disk of a node lost are given to no others",
  ignore,
  async fn() {
    await using world = await openWorld();
    const one = await world.node("one");
    for (const at of [1, 2, 3]) one.runs.add(A, run(at));
    await one.runs.beat();
    await one.runs.read(A);
    one.records.database.exec("DELETE FROM runs WHERE rowid > 1");
    const again = await world.node("one");
    again.runs.add(A, run(4));
    assert.deepEqual(timesOf(await again.runs.read(A)), [1, 2, 3, 4]);
  },
});

Deno.test({
  name: "of a deployment so many runs are kept, and so many bytes of its server, of all nodes",
  ignore,
  async fn() {
    await using world = await openWorld();
    const nodes = [await world.node("one"), await world.node("two")];
    for (let at = 0; at < RUN_LOG_RUNS_MAX * 2; at++) nodes[at % 2]!.runs.add(A, run(at));
    const text = "y".repeat(SERVER_LOG_BYTES_MAX / 8);
    for (let at = 0; at < 12; at++) {
      nodes[at % 2]!.runs.addServerEntry(A, entry(at, text));
      await nodes[at % 2]!.runs.read(A);
    }
    const { runs, server } = await nodes[0]!.runs.read(A);
    assert.equal(runs.length, RUN_LOG_RUNS_MAX);
    assert.deepEqual(server.map(({ at }) => at), [5, 6, 7, 8, 9, 10, 11]);
    const [head] = await world.database.ask(`
      SELECT number::int4, runs_bytes = (SELECT sum(octet_length(line)) FROM runs
        WHERE NOT of_server) AS runs, servers_bytes = (SELECT sum(octet_length(line)) FROM runs
        WHERE of_server) AS servers FROM run_head`);
    assert.deepEqual(head, { number: RUN_LOG_RUNS_MAX * 2 + 12, runs: true, servers: true });
  },
});

Deno.test({
  name: "of all deployments together so many bytes are kept: the oldest go",
  ignore,
  async fn() {
    await using world = await openWorld();
    const { database } = world;
    const most = '{"runs": 100, "server": 9999, "allRuns": 1000, "allServers": 50}';
    const log = (rows: unknown[]) =>
      database.ask("SELECT log_runs_1('o', $1::text::jsonb, $2::text::jsonb)", [
        JSON.stringify(rows),
        most,
      ]);
    for (let number = 1; number <= 300; number++) {
      await log([[number, `c${number}`, false, "0123456789"]]);
    }
    await log([[301, "s", true, "x".repeat(60)], [302, "s", true, "x".repeat(40)]]);
    const [kept] = await database.ask(`
      SELECT count(*) FILTER (WHERE NOT of_server)::int4 AS runs, min(number)::int4 AS first,
        count(*) FILTER (WHERE of_server)::int4 AS servers FROM runs`);
    const [head] = await database.ask(
      "SELECT number::int4, runs_bytes::int4, servers_bytes::int4 FROM run_head",
    );
    // 64 go at a time.
    assert.deepEqual(kept, { runs: 44, first: 257, servers: 0 });
    assert.deepEqual(head, { number: 302, runs_bytes: 440, servers_bytes: 0 });
  },
});

Deno.test({
  name: "who follows a deployment is woken by a run at another node, with the next beat",
  ignore,
  async fn() {
    await using world = await openWorld();
    const [one, two] = [await world.node("one"), await world.node("two")];
    await one.runs.beat();
    const [waits, other] = [A, B].map((cid) => one.runs.followers.follow(cid, LONG_MS)!);
    two.runs.add(A, run(1));
    await two.runs.read(A);
    await one.runs.beat();
    await waits!.ended;
    assert.deepEqual(timesOf(await one.runs.read(A)), [1]);
    assert.ok(one.runLog.followers.isFollowed(B));
    other!.leave();
    // A line that came between what one read and the beat before it began to wait.
    two.runs.add(B, run(2));
    await two.runs.read(B);
    await one.runs.beat();
    const late = one.runs.followers.follow(B, LONG_MS)!;
    await one.runs.beat();
    await late.ended;
  },
});

Deno.test({
  name: "no line waits for the database's disk",
  ignore,
  async fn() {
    await using world = await openWorld();
    const { database } = world;
    // A trigger of the end of a transaction sees what its commit goes by.
    await database.script(`
      CREATE TABLE commits (level text);
      CREATE FUNCTION note_level() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        INSERT INTO commits VALUES (current_setting('synchronous_commit'));
        RETURN NULL;
      END $$;
      CREATE CONSTRAINT TRIGGER note AFTER INSERT ON runs DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION note_level();
    `);
    const { runs } = await world.node("one");
    runs.add(A, run(1));
    await runs.read(A);
    const [commit] = await database.ask("SELECT level FROM commits");
    assert.deepEqual(commit, { level: "off" });
    const [after] = await database.ask<{ level: string }>(
      "SELECT current_setting('synchronous_commit') AS level",
    );
    assert.equal(after!.level, "on", "and of nothing else");
  },
});

Deno.test({
  name: "a beat ends though runs are logged as fast as their lines are sent",
  ignore,
  async fn() {
    await using world = await openWorld();
    let sent = 0;
    const busy: Database = {
      ...world.database,
      ask: async (statement, ...rest) => {
        if (statement.includes("log_runs_1") && sent < 1_000) {
          // A run ends while its elder's line is on its way.
          node.runLog.add(A, run(++sent));
          node.runLog.flush();
        }
        return await world.database.ask(statement, ...rest);
      },
    };
    const node = await world.node("one", busy);
    node.runs.add(A, run(0));
    node.runLog.flush();
    await node.runs.beat();
    assert.ok(sent < 100, `${sent} statements`);
    sent = 1_000;
    assert.ok((await node.runs.read(A)).runs.length > 1, "the rest with the next");
  },
});

Deno.test({
  name: "however much programs write, so much of it is sent at once, and all runs are",
  ignore,
  async fn() {
    await using world = await openWorld();
    let longest = 0;
    const measured: Database = {
      ...world.database,
      ask: (statement, parameters, ...rest) => {
        const lines = statement.includes("log_runs_1") ? JSON.parse(String(parameters![1])) : [];
        const bytes = (lines as string[][]).reduce((sum, [, , , line]) => sum + line!.length, 0);
        longest = Math.max(longest, bytes);
        return world.database.ask(statement, parameters, ...rest);
      },
    };
    const { runs } = await world.node("one", measured);
    const stderr = "\u0001".repeat(64 * 1024);
    const cids = Array.from({ length: 4 }, (_, n) => `bafy${n}` as CidText);
    for (let at = 0; at < 400; at++) runs.add(cids[at % 4]!, { ...RUN, at, stderr });
    for (const cid of cids) assert.equal((await runs.read(cid)).runs.length, 100);
    const most = SHARED_LINES_AT_ONCE_BYTES_MAX + 6 * 64 * 1024;
    assert.ok(longest <= most, `${longest} bytes`);
    const [head] = await world.database.ask<{ bytes: number }>(
      "SELECT runs_bytes::int4 AS bytes FROM run_head",
    );
    assert.ok(head!.bytes < SHARED_LINES_BURST_BYTES_MAX * 2, `${head!.bytes} bytes`);
  },
});
