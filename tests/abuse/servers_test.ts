/** Servers that want more than their requests: processor time, places, other servers' sockets. */
import assert from "node:assert/strict";
import { eachLauncher } from "../../worlds/sandbox/launchers.ts";
import { type Market, startMarket } from "../../worlds/market.ts";
import { livingProcesses, startedEver, survivors, workOf } from "../../worlds/processes.ts";
import { readFacts } from "./program.ts";
import {
  callPolitely,
  type Deployed,
  deployServer,
  failures,
  ms,
  say,
  serveOutside,
  timed,
  until,
} from "./server_stage.ts";
import { pause } from "../../lib/pause.ts";

const ROOT = Deno.uid() === 0;
const BATCH = { settlement: { mode: "batch" } };
/** Nobody called it for so long, and it did nothing. */
const STILL_MS = 2_000;
/** In which its answer is over and it has been stopped; it is looked at once a second then. */
const STOPPED_MS = 5_000;

async function textOf(market: Market, target: string): Promise<string> {
  const response = await market.call(target);
  const text = await response.text();
  assert.equal(response.status, 200, text);
  return text;
}

/** What goes on once the answer is out; what "run-away" starts nobody lists in time. */
const WORKING_ON = ["spin", "fork-on", "resume", "run-away"] as const;
/** Of processes that the machine starts in STILL_MS beside all that, for its polite caller, say. */
const STARTED_MAX = 200;

Deno.test({
  name: "without a sandbox, servers go on working behind their answers",
  ignore: !ROOT,
  async fn() {
    await Promise.all(
      (["spin", "fork-on", "resume"] as const).map((way) => onOutside(way, takesTime)),
    );
    // Alone: where its signals have to wait, being stopped takes them all back.
    await onOutside("wake", async (tag) => {
      for (const pid of (await workOf(tag)).pids) Deno.kill(pid, "SIGSTOP");
      await takesTime(tag);
    });
    // Alone: its processes are counted as the machine's.
    await onOutside("run-away", async () => {
      const before = await startedEver();
      await until(async () => await startedEver() > before + 5 * STARTED_MAX);
    });
  },
});

async function onOutside(
  way: typeof WORKING_ON[number] | "wake",
  worksOn: (tag: string) => Promise<void>,
): Promise<void> {
  await using outside = await serveOutside();
  assert.equal(await (await fetch(`${outside.url}/${way}?done`)).text(), "done");
  await worksOn(outside.tag);
}

async function takesTime(tag: string): Promise<void> {
  const before = await workOf(tag);
  await until(async () => (await workOf(tag)).cpuMs >= before.cpuMs + 100);
}

eachLauncher("a server does not work on behind its answer", async (sandbox) => {
  await using market = await startMarket({ settings: { ...BATCH, sandbox }, credits: 40_000n });
  await using polite = await callPolitely(market, market.provider.url);
  await Promise.all(WORKING_ON.map(async (way) => {
    const server = await deployServer(market);
    const { cid, tag } = server;
    assert.equal(await textOf(market, `${cid}/${way}?done`), "done");
    await until(async () => {
      const { pids, areStopped } = await workOf(tag);
      return areStopped || pids.length === 0;
    }, STOPPED_MS);
    const before = await workOf(tag);
    await pause(STILL_MS);
    const after = await workOf(tag);
    // It is gone: then its owner pays.
    if (after.pids.length === 0) return await until(() => failures(market, server) === 1);
    assert.deepEqual(after.pids, before.pids, `${way}: it is working on`);
    assert.equal(after.cpuMs, before.cpuMs, `${way}: it is working on`);
    assert.equal(failures(market, server), 0);
    assert.equal(await textOf(market, `${cid}/nonce?again`), "again");
  }));
  const before = await startedEver();
  await pause(STILL_MS);
  assert((await startedEver()) < before + STARTED_MAX, "something is still being started");
  await polite.verdict("servers that want to work on");
});

eachLauncher(
  "a server that its timers have go on is ended, and its owner pays",
  async (sandbox) => {
    await using market = await startMarket({ settings: { ...BATCH, sandbox }, credits: 40_000n });
    const server = await deployServer(market);
    const { cid, tag } = server;
    assert.equal(await textOf(market, `${cid}/wake?done`), "done");
    const took = await timed(() => until(async () => (await workOf(tag)).pids.length === 0));
    say(`it was ended ${ms(took)} after its answer`);
    await assertEnded(market, server);
  },
);

/** Its owner was charged, and it is held back before it is started again. */
async function assertEnded(market: Market, server: Deployed): Promise<void> {
  await until(() => failures(market, server) === 1);
  const refused = await market.call(`${server.cid}/nonce?again`);
  assert.equal(refused.status, 502);
  assert.notEqual(refused.headers.get("retry-after"), null);
  await refused.body?.cancel();
}

eachLauncher(
  "a server that does not come up is its owner's cost, and is held back",
  async (sandbox) => {
    await using market = await startMarket({ settings: { ...BATCH, sandbox }, credits: 40_000n });
    await using polite = await callPolitely(market, market.provider.url);
    const headers = await market.pay(market.accounts.payer);
    const fail = async (cid: string) => {
      const response = await market.call(`${cid}/nonce?a`, { headers });
      const refusal = await response.json();
      assert.equal(response.status, 502, JSON.stringify(refusal));
      return refusal;
    };
    const never = await deployServer(market, { mode: "never" });
    const waited = timed(async () => {
      const answers = await Promise.all(Array.from({ length: 8 }, () => fail(never.cid)));
      for (const { message } of answers) assert.match(message, /did not listen on port 8080/);
    });
    const crash = await deployServer(market, { mode: "crash" });
    let calls = 0;
    for (const end = performance.now() + 8_000; performance.now() < end; calls++) {
      const { error } = await fail(crash.cid);
      assert.equal(error, "program_failed");
      await pause(5);
    }
    const starts = failures(market, crash);
    // After 1, 2 and 4 s: the fourth is due when the time is over.
    assert(starts >= 2 && starts <= 5, `${starts} starts`);
    say(
      `${calls} calls in 8 s of one that crashes: ${starts} starts, each a credit of its owner's`,
    );
    assert((await waited) < 14_000);
    await until(() => failures(market, never) === 1);
    const payer = market.accounts.payer.address;
    assert.deepEqual(market.entries({ payer }).filter(({ kind }) => kind === "charge"), []);
    assert.equal(await survivors(never.tag), "");
    await polite.verdict("servers that do not come up");
  },
);

/** Of all deployments, which is what the provider says. */
const INSTANCES = 4;

eachLauncher(
  "many servers share the places that there are, and all are answered",
  async (sandbox) => {
    const settings = { ...BATCH, sandbox: { ...sandbox, instances: INSTANCES } };
    await using market = await startMarket({ settings, credits: 40_000n });
    const servers = await Promise.all(
      Array.from({ length: 12 }, () => deployServer(market, { instances: 4, concurrency: 1 })),
    );
    let most = 0;
    let isOver = false;
    const watching = (async () => {
      while (!isOver) {
        most = Math.max(most, (await workOf("server-[0-9a-f]{8}-")).pids.length);
        await pause(20);
      }
    })();
    const took: number[] = [];
    for (const { cid } of [...servers, ...servers]) {
      took.push(await timed(async () => assert.equal(await textOf(market, `${cid}/nonce?a`), "a")));
    }
    // All at once there are not enough places: who is refused is told when to come.
    const answers = await Promise.all(servers.map(({ cid }) => market.call(`${cid}/nonce?b`)));
    for (const answer of answers) {
      if (answer.status !== 200) assert.notEqual(answer.headers.get("retry-after"), null);
      await answer.body?.cancel();
    }
    isOver = true;
    await watching;
    // One that ends and the one that takes its place may both be seen.
    assert(most <= 2 * INSTANCES, `${most} instances`);
    const slowest = ms(Math.max(...took));
    const answered = answers.filter(({ status }) => status === 200).length;
    say(`12 servers at ${INSTANCES} places: ${most} processes at most, slowest ${slowest}`);
    say(`all at once: ${answered} of 12 answered`);
  },
);

eachLauncher("a server finds nobody's socket but its own", async (sandbox) => {
  await using market = await startMarket({ settings: { ...BATCH, sandbox }, credits: 40_000n });
  const victim = await deployServer(market);
  assert.equal(await textOf(market, `${victim.cid}/nonce?a`), "a");
  const socket = `${market.home}/state/sockets/1/in`;
  // The control: whoever may enter the folder reaches it, and would get its answers for nothing.
  using conn = await Deno.connect({ transport: "unix", path: socket });
  await conn.write(new TextEncoder().encode("GET /nonce?free HTTP/1.1\r\nHost: a\r\n\r\n"));
  if (ROOT) {
    await using outside = await serveOutside();
    const query = encodeURIComponent(socket);
    const facts = readFacts(await (await fetch(`${outside.url}/reach?${query}`)).text());
    assert.deepEqual(facts.get("path"), ["ok"]);
    assert.deepEqual(facts.get("connection-interface-2"), ["ok"]);
    assert.notDeepEqual(facts.get("unix-named"), ["0"]);
  }
  for (const listen of ["port", "fd"] as const) {
    const { cid } = await deployServer(market, { listen });
    const said = await textOf(market, `${cid}/reach?${encodeURIComponent(socket)}`);
    const facts = readFacts(said);
    const fact = (name: string) => facts.get(name)?.[0];
    assert.equal(fact("path"), "No such file or directory", said);
    assert.equal(fact("abstract"), "Connection refused", said);
    assert.equal(fact("unix-reached"), "0", said);
    assert.equal(fact("taken"), "0", said);
    assert(!said.includes(market.home) && !said.includes("sockets"), said);
    if (listen === "fd") {
      // The sockets that it is passed belong to the network outside.
      for (const what of ["connection", "listener"]) {
        assert.equal(fact(`${what}-interfaces`), "Operation not permitted", said);
        assert.equal(fact(`${what}-interface-2`), "Operation not permitted", said);
      }
      assert.equal(fact("unix-named"), "0", said);
    }
  }
  assert.notEqual(await livingProcesses(victim.tag), "");
});
