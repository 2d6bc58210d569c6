/** The devnet as its user meets it: what it prints, and what of it can be pasted. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { PERMISSIONS_OF_TESTS } from "../tools/permissions.ts";
import { signalGroup } from "../worlds/processes.ts";

const ROOT = join(import.meta.dirname!, "..");

const RUN = [
  ...["run", "--quiet", "--frozen", "--no-prompt", ...PERMISSIONS_OF_TESTS],
  "tools/devnet.ts",
];

function devnetWith(...flags: string[]): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: [...RUN, ...flags],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    // A process group of its own, as a terminal makes one for what is typed there.
    detached: true,
  });
}

function startDevnet(...flags: string[]) {
  const devnet = devnetWith(...flags).spawn();
  const log = new Response(devnet.stderr).text();
  return { devnet, log, lines: devnet.stdout.pipeThrough(new TextDecoderStream()).values() };
}

/** Runs lines in a shell that knows no deno. */
async function paste(lines: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-e", "-c", lines.join("\n")],
    clearEnv: true,
    env: { PATH: "/usr/bin:/bin", HOME: Deno.env.get("HOME")!, NO_COLOR: "1" },
    stdin: "null",
    cwd: "/",
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

Deno.test("devnet prints its own words alone, and lines that work where they are pasted", async () => {
  const { devnet, log, lines } = startDevnet("--connect-to", "API.example:80:localhost:9");
  const said: string[] = [];
  try {
    for (let text = ""; !text.includes("Ctrl-C ends this world.\n");) {
      const { done, value } = await lines.next();
      assert.ok(!done, `devnet ended: ${text}`);
      text += value;
      said.splice(0, said.length, ...text.split("\n"));
    }
    const commands = said.filter((line) => line.startsWith("  ")).map((line) => line.trim());
    const untilProvider = commands.slice(0, commands.findIndex((line) => / init /.test(line)));
    const out = await paste(untilProvider);
    assert.ok(said.includes("api.example:80 is at 127.0.0.1:9"));
    assert.match(out, /200 OK/);
    assert.match(out, /gamarjoba, Nino\n.*gamarjoba, world\n/s);
    assert.match(out, /locked +\S+ USDC, \d+ credits at \S+ USDC each for paolo\.khachapuri/);
    assert.match(out, /\nbaf[a-z2-7]{56}\ncurl http/);
    for (const line of said) assert.doesNotMatch(line, /^(Download|Task|Check|Initialize|Warning)/);
    await endsInOrder(devnet, log, /chain +(http:\S+) /.exec(said.join("\n"))![1]!);
  } finally {
    // Where the test failed before it ended.
    signalGroup(devnet, "SIGTERM");
    await devnet.status;
    await lines.return?.();
  }
});

/** Ctrl-C reaches all processes of the terminal's group at once. */
async function endsInOrder(devnet: Deno.ChildProcess, log: Promise<string>, rpc: string) {
  const began = performance.now();
  Deno.kill(-devnet.pid, "SIGINT");
  const { code } = await devnet.status;
  const tookMs = performance.now() - began;
  assert.equal(code, 0);
  assert.doesNotMatch(await log, /put off|chain_unavailable/, "the chain is there to the end");
  assert.ok(tookMs < 5_000, `it took ${Math.round(tookMs)} ms`);
  await assert.rejects(fetch(rpc), "the chain is gone, too");
}

Deno.test("devnet ends quietly while it is still making its world", async () => {
  const { devnet, log, lines } = startDevnet();
  let said = "";
  while (!/^ipfs/m.test(said)) said += (await lines.next()).value;
  Deno.kill(-devnet.pid, "SIGINT");
  while (!(await lines.next()).done) { /* Until it has ended. */ }
  assert.deepEqual([(await devnet.status).code, await log], [0, ""]);
  await assert.rejects(fetch(/^chain +(http:\S+) /.exec(said)![1]!), "the chain is gone");
});

Deno.test("devnet says what it takes, and makes no world", async () => {
  for (const flag of ["--help", "-h"]) {
    const { code, stdout } = await devnetWith(flag).output();
    assert.equal(code, 0);
    assert.match(new TextDecoder().decode(stdout), /^usage: deno task devnet .*repeat it/s);
  }
});

Deno.test("devnet says what it does not understand, and makes no world", async () => {
  for (
    const [flag, says] of [["--connect-to=api.example:80", /HOST:PORT:ADDRESS:PORT/], [
      "--no",
      /--no/,
    ]] as const
  ) {
    const { code, stdout, stderr } = await devnetWith(flag).output();
    assert.deepEqual([code, stdout.length], [2, 0]);
    assert.match(new TextDecoder().decode(stderr), says);
  }
});
