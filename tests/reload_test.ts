/** A provider that does what its configuration says now, by command, signal and systemd. */
import assert from "node:assert/strict";
import { ACCOUNTS } from "../worlds/chain/people.ts";
import { freePort } from "../worlds/free_port.ts";
import { livingProcesses, survivors } from "../worlds/processes.ts";
import { openProviderHome, type ProviderHome } from "../worlds/provider_home.ts";
import { writeProgramScript } from "../worlds/program_script.ts";
import { serveProgram } from "../worlds/served_program.ts";
import { activated, openServiceManager } from "../worlds/service_manager.ts";

async function reload(file: string, { dir }: ProviderHome, ...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(file, {
    args: ["reload", "--home", dir, ...args],
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, said: text(stdout) + text(stderr) };
}

/** All that the front page says, the price among it. */
/** What it offers, but for what it finds out about the machine in its own time. */
async function pageAt(url: string): Promise<string> {
  const { runtimes: _, runtimesLacking: __, ...offer } = await (await fetch(url)).json();
  return JSON.stringify(offer);
}

Deno.test("a provider of a shell is followed by as many as there are reloads", async (t) => {
  await using home = await openProviderHome();
  const listen = `127.0.0.1:${freePort()}`;
  const url = `http://${listen}`;
  await home.write({ listen });
  const file = await writeProgramScript(home.dir);
  await using provider = await serveProgram(file, home.dir);
  const first = await pageAt(url);

  await t.step("where nothing has changed it says so", async () => {
    const { code, said } = await reload(file, home);
    assert.deepEqual([code, said], [0, "nothing has changed, and nothing was done\n"]);
  });
  await t.step("what has changed is told, and served", async () => {
    await home.write({ listen, price: "2000" });
    const { code, said } = await reload(file, home);
    assert.equal(code, 0, said);
    assert.match(said, /provider\.price: "1000" → "2000"/);
    assert.notEqual(await pageAt(url), first);
  });
  await t.step("SIGHUP to the first process reaches the one that serves", async () => {
    await home.write({ listen, price: "3000" });
    const served = provider.logged("a successor serves");
    provider.signal("SIGHUP");
    await served;
    assert.ok(provider.log.some(({ changes }) => String(changes).includes('"2000" → "3000"')));
  });
  await t.step("what serve would refuse is refused in its words, and nothing changes", async () => {
    const page = await pageAt(url);
    await home.write({ listen, price: "none" });
    const malformed = await reload(file, home);
    assert.equal(malformed.code, 3, malformed.said);
    assert.match(malformed.said, /config\.json: provider\.price: not a decimal integer/);
    await home.write({ listen, terms: ["none.txt"] });
    const lacking = await reload(file, home);
    assert.equal(lacking.code, 4, lacking.said);
    assert.match(lacking.said, /none\.txt can't be read: it does not exist/);
    // The command would look for the provider there; the signal finds it.
    await home.write({ listen, stateDir: "elsewhere" });
    const refused = provider.logged("reload refused, everything stays as it is");
    provider.signal("SIGHUP");
    assert.match(JSON.stringify(await refused), /provider\.stateDir is .*elsewhere, and was/);
    assert.equal(await pageAt(url), page);
    assert.ok(provider.log.some(({ message }) => /^reload refused/.test(String(message))));
  });
  await t.step("one process waits, however many came after it", async () => {
    await home.write({ listen, price: "3000" });
    assert.equal((await reload(file, home, "--force")).code, 0);
    const attendants = (await livingProcesses(`attend ${file}`)).trim().split("\n");
    assert.equal(attendants.length, 1);
    // The one before ends with the last connection that it has.
    const deadline = performance.now() + 60_000;
    for (let serving = Infinity; serving > 2;) {
      assert(performance.now() < deadline, `${serving} processes serve or wait`);
      const lines = (await livingProcesses(`serve --home ${home.dir}`)).trim().split("\n");
      serving = lines.filter((line) => !line.includes(" attend ")).length;
    }
  });
  await t.step("SIGTERM to the first ends the last, whose exit code is its own", async () => {
    provider.signal("SIGTERM");
    assert.equal(await provider.ended, 0);
    assert.equal(await survivors(`serve --home ${home.dir}`), "");
    const none = await reload(file, home);
    assert.equal(none.code, 7);
    assert.match(none.said, /no provider runs with this home/);
  });
});

Deno.test("the first process ends as the last one does", async () => {
  await using home = await openProviderHome();
  await home.write({ listen: `127.0.0.1:${freePort()}` });
  const file = await writeProgramScript(home.dir);
  await using provider = await serveProgram(file, home.dir);
  assert.equal((await reload(file, home, "--force")).code, 0);
  const lines = (await livingProcesses("take-over")).trim().split("\n");
  const serving = lines.filter((line) => line.includes(home.dir) && !line.includes(" attend "));
  Deno.kill(parseInt(serving[0]!), "SIGKILL");
  assert.equal(await provider.ended, 128 + 9);
});

Deno.test("from source a reload says what to do in its place", async () => {
  await using home = await openProviderHome();
  await home.write();
  const file = await writeProgramScript(home.dir, { before: "unset KHACHAPURI_FILE" });
  await using provider = await serveProgram(file, home.dir);
  assert.ok(provider.url);
  const { code, said } = await reload(file, home, "--force");
  assert.equal(code, 3, said);
  assert.match(said, /runs from source: there is no file to start a successor from/);
});

Deno.test("systemd holds the socket, and is told who serves", async (t) => {
  await using home = await openProviderHome();
  home.chain.fake.allow(ACCOUNTS.owner.address, 1_000n, 100n);
  await home.write({ webDomain: "http://p.test/" });
  const file = await writeProgramScript(home.dir);
  const port = freePort();
  const url = `http://127.0.0.1:${port}`;
  await using manager = await openServiceManager(home.dir);
  await using provider = await serveProgram(file, home.dir, {
    env: { NOTIFY_SOCKET: manager.socket },
    through: (command) => activated({ listen: port, http: 0 }, command),
  });
  assert.equal(provider.url, url);

  await t.step("that it is ready, by its own number", async () => {
    await manager.heard(new RegExp(`^READY=1 MAINPID=${provider.pid} STATUS=serving at ${url}`));
  });
  await t.step("no program has its sockets", async () => {
    // The program's own view, and of its parent, the sandbox's init, as far as it may look.
    const { cid } = await home.deploy(
      "ls -l /proc/self/fd /proc/1/fd /proc/*/fd 2>/dev/null; exec </dev/null",
    );
    const text = await (await fetch(`${url}/${cid}`)).text();
    const sockets = await socketsOf(provider.pid);
    assert.ok(sockets.has("3") && sockets.has("4"), "the provider itself has both");
    for (const fd of ["3", "4"]) assert.ok(!text.includes(sockets.get(fd)!), text);
  });
  await t.step("nor has any process of its sandboxes", async () => {
    const sockets = await socketsOf(provider.pid);
    const helpers = (await livingProcesses("khachapuri-init host")).trim().split("\n");
    const mine = helpers.filter((line) => line.includes(home.dir)).map((line) => parseInt(line));
    assert.ok(mine.length > 0, "a sandbox stands");
    for (const pid of mine) {
      const held = [...(await socketsOf(pid)).values()];
      for (const fd of ["3", "4"]) assert.ok(!held.includes(sockets.get(fd)!), `${held}`);
    }
  });
  await t.step("a reload, and the number of the one that serves then", async () => {
    await home.write({ webDomain: "http://p.test/", price: "2000" });
    const { code, said } = await reload(file, home);
    assert.equal(code, 0, said);
    const [, pid] = /^MAINPID=(\d+)$/.exec(await manager.heard(/^MAINPID=/))!;
    await manager.heard(new RegExp(`^READY=1 MAINPID=${pid} `));
    assert.ok(manager.told.some((line) => line.startsWith("RELOADING=1")));
    assert.equal(await provider.ended, 0, "nobody waits for the first one");
    assert.equal((await fetch(`${url}/terms`)).status, 200);
    assert.equal(await livingProcesses(`attend ${file}`), "");
    Deno.kill(Number(pid), "SIGTERM");
    await manager.heard(/^STOPPING=1/);
    assert.equal(await survivors(`serve --home ${home.dir}`), "");
  });
});

/** The sockets among a process's descriptors, by number. */
async function socketsOf(pid: number): Promise<Map<string, string>> {
  const { stdout } = await new Deno.Command("ls", { args: ["-l", `/proc/${pid}/fd`] }).output();
  const text = new TextDecoder().decode(stdout);
  return new Map([...text.matchAll(/ (\d+) -> (socket:\[\d+\])/g)].map(([, fd, name]) => [
    fd!,
    name!,
  ]));
}
