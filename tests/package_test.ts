/** The one file that a provider downloads: does it work alone, with nothing beside it? */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { readAllowance } from "../lib/chain/escrow.ts";
import { compile, isBaseMissing } from "../tools/compile.ts";
import { openProvider } from "../tools/devnet.ts";
import { buildPackage } from "../tools/package.ts";
import { readSources } from "../tools/tidy.ts";
import { NAME, startLocalWorld } from "../worlds/local_world.ts";

const ROOT = join(import.meta.dirname!, "..");

interface Started {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs the file in an empty folder with an empty home and nothing else in the environment. */
async function start(file: string, dir: string, ...args: string[]): Promise<Started> {
  const output = await new Deno.Command(file, {
    args,
    cwd: dir,
    clearEnv: true,
    env: { HOME: dir, PATH: "/usr/bin:/bin", NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code: output.code, stdout: text(output.stdout), stderr: text(output.stderr) };
}

async function inEmptyDir(test: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await test(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

async function smoke(file: string, dir: string): Promise<void> {
  const version = await start(file, dir, "--version");
  assert.match(version.stdout, /^khachapuri \d+\.\d+\.\d+\n$/, version.stderr);
  const told = JSON.parse((await start(file, dir, "--version", "--json")).stdout);
  assert.match(told.commit, /^[0-9a-f]{40}(?:\+changes)?$|^source$/);
  assert.equal(told.deno, Deno.version.deno);
  const carried = JSON.parse((await start(file, dir, "licenses", "--json")).stdout).licenses;
  const names = carried.map(({ name }: { name: string }) => name);
  for (const name of ["khachapuri", "deno", "v8", "musl", "viem", "@noble/curves"]) {
    assert.ok(names.includes(name), `${name} is not in ${names}`);
  }
  const made = await start(file, dir, "init", "--json");
  assert.equal(made.code, 0, made.stderr);
  assert.match(JSON.parse(made.stdout).address, /^0x[0-9a-fA-F]{40}$/);
  const keys = await Deno.stat(join(dir, ".khachapuri", "keys.json"));
  assert.equal(keys.mode! & 0o777, 0o600);
  const widened = await start(file, dir, "--allow-ffi", "help");
  assert.equal(widened.code, 2, "a permission after the name is only an argument");
  const again = await start(file, dir, "init", "--json");
  assert.equal(JSON.parse(again.stdout).address, JSON.parse(made.stdout).address);
  const refused = await start(file, dir, "init", "--rpc", "nowhere", "--json");
  assert.equal(refused.code, 3);
  assert.equal(JSON.parse(refused.stdout).error, "invalid_config");
}

async function cacheOf(dir: string): Promise<string> {
  const base = join(dir, ".cache", "khachapuri");
  const names = [];
  for await (const { name } of Deno.readDir(base)) names.push(name);
  assert.equal(names.length, 1, `nothing half-made stays: ${names}`);
  return join(base, names[0]!);
}

/** A minifier once dropped `using` where the variable was used once: locks and folders stayed. */
function countUsing(code: string): number {
  return code.match(/^\s*(await )?using \w+ =/gm)?.length ?? 0;
}

async function countUsingInSources(): Promise<number> {
  let count = 0;
  for (const { path, text } of await readSources(ROOT)) {
    if (/^lib\/.*(?<!_test)\.ts$/.test(path)) count += countUsing(text);
  }
  return count;
}

/** Provider, developer and caller are all this one file; real curl makes the call. */
async function paidCall(file: string): Promise<void> {
  await using world = await startLocalWorld({ command: [file] });
  const { escrow, addresses: { developer, provider } } = world;
  await openProvider(world);
  await world.ask("developer", "deposit", "1");
  await world.ask("developer", "allow", NAME, "--credits", "10");
  const flags = ["--provider", NAME, "--accept-terms"];
  const hello = join(ROOT, "samples", "hello");
  const { cid } = await world.ask<{ cid: string }>("developer", "deploy", hello, ...flags);
  const { stdout, stderr } = await new Deno.Command("curl", {
    args: ["-q", "-sS", "-i", "-X", "POST", `${world.webDomain}/${cid}`, "-d", "data"],
  }).output();
  const answer = new TextDecoder().decode(stdout);
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/, answer + new TextDecoder().decode(stderr));
  assert.match(answer, /gamarjoba, world\n$/);
  const { credits } = await readAllowance(world.chain, escrow, developer, provider);
  assert.equal(credits, 9n, "one credit was paid");
}

/** A run's copy of /etc has to be open to programs, whatever umask the file begins with. */
async function callOut(file: string, dir: string): Promise<void> {
  await using upstream = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response("reached"),
  );
  const program = join(dir, "program");
  await Deno.mkdir(program);
  const script = "#!/bin/sh\nexec curl -sS http://api.example/\n";
  await Deno.writeTextFile(join(program, "main"), script, { mode: 0o755 });
  const place = `api.example:80:127.0.0.1:${upstream.addr.port}`;
  const flags = ["--egress", "api.example:80", "--connect-to", place];
  const { stdout, stderr } = await start(file, dir, "run", ...flags, program, "/");
  assert.equal(stdout, "reached", stderr);
}

Deno.test("the packaged file runs alone, starts twice at once, and notices damage", async (t) => {
  await inEmptyDir(async (dir) => {
    const file = join(dir, "khachapuri");
    await buildPackage(file);

    await t.step("first starts may race", async () => {
      const started = await Promise.all([1, 2, 3].map(() => start(file, dir, "--version")));
      for (const { code, stderr } of started) assert.equal(code, 0, stderr);
      await cacheOf(dir);
    });
    await t.step("it makes keys and keeps to its permissions", () => smoke(file, dir));
    await t.step("it lets go of all that its sources let go of", async () => {
      const app = join(await cacheOf(dir), "app");
      let inBundle = 0;
      for await (const { name } of Deno.readDir(app)) {
        inBundle += countUsing(await Deno.readTextFile(join(app, name)));
      }
      assert.equal(inBundle, await countUsingInSources());
    });
    await t.step("it makes a paid call", () => paidCall(file));
    await t.step("programs that it runs can call out", () => callOut(file, dir));
    await t.step("a damaged or loosened cache is refused", async () => {
      const cache = await cacheOf(dir);
      await Deno.chmod(cache, 0o755);
      assert.match((await start(file, dir, "help")).stderr, /is not ours alone: remove it/);
      await Deno.chmod(cache, 0o700);
      await Deno.writeTextFile(join(cache, "app", "main.js"), "console.log('not ours');");
      const { code, stdout, stderr } = await start(file, dir, "help");
      assert.equal(code, 1);
      assert.equal(stdout, "");
      assert.match(stderr, /is damaged: remove it/);
      await Deno.remove(join(cache, "app"), { recursive: true });
      assert.match((await start(file, dir, "help")).stderr, /is damaged: remove it/);
      await Deno.remove(cache, { recursive: true });
      assert.equal((await start(file, dir, "help")).code, 0);
    });
    await t.step("a damaged file is refused", async () => {
      const bytes = await Deno.readFile(file);
      bytes[bytes.length >> 1]! ^= 1;
      const damaged = join(dir, "damaged");
      await Deno.writeFile(damaged, bytes, { mode: 0o755 });
      await Deno.remove(await cacheOf(dir), { recursive: true });
      const { code, stderr } = await start(damaged, dir, "help");
      assert.equal(code, 1);
      assert.match(stderr, /damaged is damaged: fetch it again/);
    });
  });
});

Deno.test("deno compile builds the same program, where its base can be had", async () => {
  await inEmptyDir(async (dir) => {
    const file = join(dir, "khachapuri");
    await Deno.writeTextFile(file, "what deno task package built\n");
    const complaint = await compile(file);
    if (complaint === null) return await smoke(file, dir);
    assert.ok(isBaseMissing(complaint), complaint);
    // Any executable stands in for the base: what is put on top of it is ours to check.
    assert.equal(await compile(file, { DENORT_BIN: Deno.execPath() }), null);
    const built = Buffer.from(await Deno.readFile(file));
    const added = built.length - (await Deno.stat(Deno.execPath())).size;
    // Our sources and what of npm they import, in any case none of node_modules' hundred megabytes.
    assert.ok(added > 100_000 && added < 10_000_000, `${added} bytes on top of the base`);
    assert.ok(!built.includes(ROOT), "a path of the machine that built it is inside");
  });
});
