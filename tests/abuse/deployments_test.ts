/** Attacks that take more than one call of one program: between deployments, by zip, by env. */
import assert from "node:assert/strict";
import { zipSync } from "fflate";
import { prepareHost } from "../../sandbox/native.ts";
import { eachLauncher } from "../../worlds/sandbox/launchers.ts";
import { startChildProvider } from "../../worlds/child_provider.ts";
import { type Market, startMarket } from "../../worlds/market.ts";
import { livingProcesses, survivors } from "../../worlds/processes.ts";
import { findRelay, shell } from "../../worlds/sandbox/relays.ts";
import { buildAbuse, readFacts } from "./program.ts";

const MADE = { GRANTED: "1" };
const text = new TextEncoder();

async function deployAbuse(market: Market, program: Uint8Array): Promise<string> {
  return await market.deploy({ files: { main: program }, fields: { env: MADE } });
}

/** Calls a case whose program waits until its stdin ends, and holds it there. */
async function hold(url: string) {
  const body = new TransformStream<Uint8Array, Uint8Array>();
  const writer = body.writable.getWriter();
  const response = await fetch(url, { method: "POST", body: body.readable });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let said = "";
  while (!said.includes("waiting")) said += (await reader.read()).value ?? assert.fail(said);
  return {
    facts: readFacts(said),
    async letGo() {
      await writer.close();
      while (!(await reader.read()).done);
    },
  };
}

eachLauncher("deployments share nothing, runs of one no files or memory", async (sandbox) => {
  await using market = await startMarket({ settings: { settlement: { mode: "batch" }, sandbox } });
  const program = await buildAbuse();
  const [ours, theirs] = [await deployAbuse(market, program), await deployAbuse(market, program)];
  const join = async (cid: string) =>
    readFacts(await (await market.call(`${cid}/join-meeting`)).text());
  const meeting = await hold(`${market.provider.url}/${ours}/host-meeting`);
  for (const way of ["abstract", "loopback", "sysv", "tmp", "shm"]) {
    assert.deepEqual(meeting.facts.get(way), ["ok"], way);
  }
  const [within, between] = [await join(ours), await join(theirs)];
  // The control: runs of one deployment do meet on its loopback, as documented.
  for (const way of ["abstract", "loopback"]) {
    assert.deepEqual(within.get(way), ["ok"], way);
    assert.deepEqual(between.get(way), ["ECONNREFUSED"], way);
  }
  for (const way of ["sysv", "tmp", "shm"]) {
    assert.deepEqual(within.get(way), ["ENOENT"], way);
    assert.deepEqual(between.get(way), ["ENOENT"], way);
  }
  await meeting.letGo();
});

eachLauncher("a program that brings its sandbox down pays for the run", async (sandbox) => {
  await using market = await startMarket({ settings: { settlement: { mode: "batch" }, sandbox } });
  const cid = await market.deploy({
    files: { main: "#!/bin/sh\nsleep 4\n" },
    fields: { egress: ["example.com:443"] },
  });
  const endUnderRun = async (victim: (relay: number) => Promise<string | number>) => {
    const answer = market.call(cid);
    // It has been started: whatever it finds to end its sandbox with, this stands for.
    while (await livingProcesses(attackersOf(cid)) === "");
    await shell(`kill -9 ${await victim(await findRelay())}`);
    const response = await answer;
    const { error } = await response.json();
    assert.equal(await survivors(attackersOf(cid)), "");
    const entry = market.entries().at(-1)!;
    if (entry.kind === "charge") return [response.status, error, entry.outcome];
    return [response.status, error, entry.kind];
  };
  assert.deepEqual(
    await endUnderRun((relay) => Promise.resolve(relay)),
    [502, "program_failed", "failed"],
  );
  // The control: an operator, or a machine out of memory, kills what no program can reach.
  assert.deepEqual(
    await endUnderRun((relay) => shell(`ps -o ppid= -p ${relay}`)),
    [503, "sandbox_unavailable", "release"],
  );
});

Deno.test("programs that cannot start are refused for free, with the reason", async () => {
  await using market = await startMarket({ settings: { settlement: { mode: "batch" } } });
  const good = await buildAbuse();
  const foreign = good.slice();
  foreign[18] = 0xb7; // e_machine: arm64
  const broken: readonly [Uint8Array | string, RegExp][] = [
    [foreign, /built for aarch64/],
    [good.slice(0, 100), /cut off/],
    ["#!/no/such/shell\n", /interpreter of main, \/no\/such\/shell,/],
    ["echo hello\n", /script without #!/],
    ["", /main is empty/],
  ];
  for (const [main, message] of broken) {
    const response = await market.call(await market.deploy({ files: { main } }));
    assert.equal(response.status, 422, String(message));
    const refusal = await response.json();
    assert.equal(refusal.error, "invalid_program");
    assert.match(refusal.message, message);
  }
  const { program } = await market.spec({ files: { main: good } });
  const missing = await market.deploy({
    files: { main: good },
    fields: { program: { ...program, entrypoint: "./absent" } },
  });
  const response = await market.call(missing);
  assert.equal(response.status, 422);
  await response.body?.cancel();
});

/** So many take ten seconds and 1.6 GiB; a kernel grants more where there are over 100 GiB. */
const WATCHES_MAX = 8_000_000;

Deno.test({
  name: "a program that uses up the watches of its uid takes nothing from the provider",
  ignore: Deno.uid() !== 0,
  async fn(t) {
    const { controllers, watches } = await prepareHost({ launcher: "bwrap", runUid: null });
    if (controllers !== 0 || watches > WATCHES_MAX) {
      const name = "NOT RUN: they take more memory than it may have";
      return void await t.step({ name, ignore: true, fn() {} });
    }
    const settings = { settlement: { mode: "batch" }, sandbox: { timeoutMs: 60_000 } };
    await using market = await startMarket({ settings });
    const program = await buildAbuse();
    const path = `${market.home}/abuse`;
    await Deno.writeFile(path, program, { mode: 0o755 });
    const limits = { timeoutMs: 60_000, memoryMb: 512, concurrency: 1, ownerCreditsPerMinute: 9 };
    const cid = await market.deploy({ files: { main: program }, fields: { limits } });
    const run = await hold(`${market.provider.url}/${cid}/uid-watches`);
    const uid = (await shell(`ps -o uid= -p $(pgrep -o -f '${attackersOf(cid)}')`)).trim();
    const watchAs = (who: string) =>
      shell(`setpriv --reuid ${who} --regid ${who} --clear-groups ${path} http://x/watch-one`);
    // The control: a provider of that uid would take no connection now.
    assert.match(await watchAs(uid), /^watch ENOSPC$/m);
    assert.match(await watchAs(String(Deno.uid())), /^watch ok$/m);
    const other = await deployAbuse(market, program);
    const answers = Array.from({ length: 8 }, () => market.call(`${other}/watch-one`));
    for (const answer of answers) assert.match(await (await answer).text(), /^watch ok$/m);
    await run.letGo();
  },
});

Deno.test("a zip with a link to the host is refused", async () => {
  await using market = await startMarket({ settings: { settlement: { mode: "batch" } } });
  const { program } = await market.spec({ files: { main: "#!/bin/sh\ncat /app/key\n" } });
  const link = 0o120777 << 16;
  const zip = zipSync({
    main: [text.encode("#!/bin/sh\ncat /app/key\n"), { os: 3, attrs: 0o100755 << 16 }],
    key: [text.encode(`${market.home}/keys.json`), { os: 3, attrs: link }],
  });
  const cid = await market.deploy({
    files: { main: "" },
    fields: { program: { ...program, cid: await market.publish(zip) } },
  });
  const response = await market.call(cid);
  assert.equal(response.status, 422);
  assert.equal((await response.json()).error, "invalid_program");
});

eachLauncher("a tenant's environment reaches its program alone", async (sandbox) => {
  await using market = await startMarket({ settings: { settlement: { mode: "batch" }, sandbox } });
  const env = {
    LD_PRELOAD: "/app/evil.so",
    LD_AUDIT: "/app/evil.so",
    BASH_ENV: "/app/evil",
    DENO_DIR: "/app",
    NODE_OPTIONS: "--require /app/evil",
    ODD: 'a=b\nc "d" $(e)\t\\',
    BIG: "x".repeat(30_000),
  };
  const cid = await market.deploy({
    files: { main: '#!/bin/sh\nprintf "%s|%s|%s" "$LD_PRELOAD" "$ODD" "$BIG"\n' },
    fields: { env },
  });
  for (let call = 0; call < 2; call++) {
    const said = await (await market.call(cid)).text();
    assert.equal(said, `${env.LD_PRELOAD}|${env.ODD}|${env.BIG}`);
  }
  const header = { "x-long": "h".repeat(20_000) };
  const response = await market.call(cid, { headers: header });
  assert.equal(response.status, 431);
  await response.body?.cancel();
});

eachLauncher("a secret is in no argument list and in no log", async (sandbox) => {
  await using market = await startMarket({ settings: { settlement: { mode: "batch" }, sandbox } });
  const secret = `hush-${crypto.randomUUID()}`;
  const cid = await market.deploy({
    files: { main: "#!/bin/sh\necho $SECRET\necho waiting\nread x\n" },
    fields: { env: { SECRET: secret } },
  });
  const run = await hold(`${market.provider.url}/${cid}`);
  assert.deepEqual([...run.facts.keys()][0], secret, "the program had it");
  const { stdout } = await new Deno.Command("ps", { args: ["-eo", "args", "-ww"] }).output();
  const listed = new TextDecoder().decode(stdout);
  assert(listed.includes(sandbox.launcherPath ?? "/usr/bin/bwrap"), "the sandbox is in the list");
  assert(!listed.includes(secret));
  await run.letGo();
  assert(market.lines.length > 0 && !market.lines.join("\n").includes(secret));
});

Deno.test("output that forges headers is answered with an error or without them", async () => {
  await using market = await startMarket({ settings: { settlement: { mode: "batch" } } });
  const heads: [string, number][] = [
    ["HTTP/1.1 200 OK\\r\\nno colon here\\r\\n\\r\\n", 502],
    ["HTTP/1.1 99999 OK\\r\\n\\r\\n", 502],
    ["HTTP/1.1 200 OK\\r\\nx: \\001\\002\\r\\n\\r\\n", 502],
    ["HTTP/1.1 200 OK\\r\\nPAYMENT-RESPONSE: x\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\nok", 200],
  ];
  for (const [head, status] of heads) {
    const cid = await market.deploy({ files: { main: `#!/bin/sh\nprintf '${head}'\n` } });
    const response = await market.call(cid);
    assert.equal(response.status, status, head);
    assert.equal(response.headers.get("payment-response"), null);
    await response.body?.cancel();
  }
});

eachLauncher("callers who hang up at any moment leave nothing running", async (sandbox) => {
  await using market = await startMarket({ settings: { settlement: { mode: "batch" }, sandbox } });
  const limits = {
    timeoutMs: 60_000,
    memoryMb: 64,
    concurrency: 64,
    ownerCreditsPerMinute: 100_000,
  };
  const program = await buildAbuse();
  const cid = await market.deploy({ files: { main: program }, fields: { limits } });
  for (let index = 0; index < 60; index++) {
    const abort = new AbortController();
    setTimeout(() => abort.abort(), index / 4);
    await fetch(`${market.provider.url}/${cid}/sleeper`, { signal: abort.signal })
      .then((response) => response.text()).catch(() => {});
  }
  assert.equal(await survivors(attackersOf(cid)), "");
  await market.provider.stop();
  const stopped = market.entries().filter((entry) =>
    entry.kind === "release" && entry.reason === "shutdown"
  );
  assert.deepEqual(stopped, [], "a run was still going on");
});

Deno.test("a provider that is killed leaves no program running, and the next start clears up", async () => {
  await using market = await startMarket({ settings: { settlement: { mode: "batch" } } });
  const cid = await deployAbuse(market, await buildAbuse());
  await market.provider.stop();
  const unpacked = async () =>
    (await Array.fromAsync(Deno.readDir(`${market.home}/state/programs`))).map(({ name }) => name);
  const killed = await startChildProvider(market.home);
  const answer = await fetch(`${await killed.url}/${cid}/deaf`);
  const cut = assert.rejects(answer.text());
  assert.notEqual(await livingProcesses(attackersOf(cid)), "", "the attack has begun to answer");
  const left = await unpacked();
  assert.equal(left.length, 1);
  await killed.kill();
  await cut;
  assert.equal(await survivors(attackersOf(cid)), "", "the attack is not dead");
  assert.deepEqual(await unpacked(), left, "what was unpacked is still there");

  const next = await startChildProvider(market.home);
  const url = await next.url;
  assert.deepEqual(await unpacked(), []);
  assert.match(await (await fetch(`${url}/${cid}/x32`)).text(), /^x32-getpid/m);
  assert.equal(await next.stop(), 0);
});

/** The argv of a deployment's attackers, as the host sees them. */
const attackersOf = (cid: string) => `main -q .*${cid}`;
