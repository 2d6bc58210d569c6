/** A deployment gets its share of the processors, whatever another one does to get more of them. */
import assert from "node:assert/strict";
import { streamSource } from "../../lib/byte_source.ts";
import { openSandbox, type Sandbox } from "../../sandbox/sandbox.ts";
import { eachLauncher } from "../../worlds/sandbox/launchers.ts";
import { buildAbuse } from "./program.ts";

const RUN_UID = Deno.uid() === 0 ? 1_832_000_000 : null;
const LIMITS = { timeoutMs: 30_000, memoryMb: 64, stdoutBytes: 1e6, stderrBytes: 4_096 };
const SPINNERS = "60";
/** Of each of the rounds, which are taken in turn as machines have busy moments of their own. */
const ROUND_MS = 700;
const ROUNDS = 3;
/** In which a sandbox notices what a run is up to. */
const NOTICE_MS = 200;
/** Where a call takes less than that without the attack, only that much is asked for. */
const QUIET_MS = 15;
/** What else a machine does slows calls down for a moment, an attack each time it is made. */
const ATTEMPTS = 3;

const SCRIPT = "#!/bin/sh\nread word\necho $word > /tmp/kept\nsleep 0.002\ncat /tmp/kept\n";

async function call(neighbour: Sandbox): Promise<void> {
  const stdin = ReadableStream.from([new TextEncoder().encode("word\n")]);
  const run = await neighbour.run({ argv: ["main"], env: {}, stdin: streamSource(stdin) });
  assert.equal(await new Response(run.stdout()).text(), "word\n");
  await run.record;
}

/** How long the neighbour's calls take for a while, one after the other. */
async function callFor(neighbour: Sandbox, ms: number): Promise<number[]> {
  const took: number[] = [];
  for (const until = performance.now() + ms; performance.now() < until;) {
    const startedAt = performance.now();
    await call(neighbour);
    took.push(performance.now() - startedAt);
  }
  return took;
}

const quantile = (values: readonly number[], part: number) =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(part * values.length))]!;

interface Compared {
  without: number[];
  during: number[];
}

/** Calls without and during an attack, in turn. `begin` starts one; what it returns ends it. */
async function compare(neighbour: Sandbox, begin: () => Promise<() => Promise<void>>) {
  const compared: Compared = { without: [], during: [] };
  await callFor(neighbour, NOTICE_MS);
  for (let round = 0; round < ROUNDS; round++) {
    compared.without.push(...await callFor(neighbour, ROUND_MS));
    const end = await begin();
    await callFor(neighbour, NOTICE_MS);
    compared.during.push(...await callFor(neighbour, ROUND_MS));
    await end();
    // Sixty processes that were killed take a moment to be gone.
    await callFor(neighbour, NOTICE_MS);
  }
  return compared;
}

/**
 * How much longer calls take during the attack, by the median or the slowest of ten: of the some
 * 65 calls of an attack the slowest one is what a moment of the kernel's scheduler makes it.
 */
function slowdown({ without, during }: Compared, part: 0.5 | 0.9): number {
  return quantile(during, part) / Math.max(quantile(without, part), QUIET_MS);
}

function print(what: string, compared: Compared): void {
  const figures = [compared.without, compared.during].map((took) =>
    [0.5, 0.9, 0.99].map((part) => `p${100 * part} ${quantile(took, part).toFixed(1)}`).join(", ")
  );
  // deno-lint-ignore no-console
  console.log(`    ${what}, ms: without ${figures[0]}; during ${figures[1]}`);
}

/** The same program without a sandbox, in a box that dies as a whole. */
function spinOutside(path: string, attack: string): Promise<() => Promise<void>> {
  const box = ["--pid", "--fork", "--kill-child", "--mount-proc"];
  const program = [path, `http://outside/${attack}?arg=${SPINNERS}`];
  const child = new Deno.Command("unshare", { args: [...box, ...program], stdout: "null" }).spawn();
  return Promise.resolve(async () => {
    child.kill("SIGKILL");
    await child.status;
  });
}

eachLauncher("60 spinners take no more than their deployment's share", async (launcher) => {
  const dir = await Deno.makeTempDir();
  await Deno.chmod(dir, 0o755);
  await Deno.mkdir(`${dir}/neighbour`);
  await Deno.mkdir(`${dir}/attacker`);
  await Deno.writeTextFile(`${dir}/neighbour/main`, SCRIPT, { mode: 0o755 });
  await Deno.writeFile(`${dir}/attacker/main`, await buildAbuse(), { mode: 0o755 });
  const open = (name: string) =>
    openSandbox({ ...launcher, runUid: RUN_UID }, {
      programDir: `${dir}/${name}`,
      limits: LIMITS,
    });
  const neighbour = await open("neighbour");
  const attacker = await open("attacker");

  const spinInside = (attack: string) => async () => {
    const argv = ["main", `http://inside/${attack}?arg=${SPINNERS}`];
    const run = await attacker.run({ argv, env: {}, stdin: null });
    await run.output.read();
    return async () => {
      await run.output.cancel();
      await run.record;
    };
  };
  try {
    for (const attack of ["spin", "sessions"]) {
      let times = Infinity;
      for (let nth = 0; nth < ATTEMPTS && times > 3; nth++) {
        const compared = await compare(neighbour, spinInside(attack));
        print(`${attack}, in a sandbox`, compared);
        times = slowdown(compared, 0.9);
      }
      assert(times <= 3, `${attack}: ${times} times as long in the last of the attempts`);
    }
    if (Deno.uid() !== 0) { // deno-lint-ignore no-console
      return console.log("    the control takes root: NOT RUN");
    }
    const outside = () => spinOutside(`${dir}/attacker/main`, "sessions");
    const compared = await compare(neighbour, outside);
    print("sessions, without one", compared);
    assert(slowdown(compared, 0.5) > 3, "an attack that does nothing shows nothing");
  } finally {
    await neighbour.close();
    await attacker.close();
    await Deno.remove(dir, { recursive: true });
  }
});
