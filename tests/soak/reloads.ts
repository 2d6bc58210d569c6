/**
 * `deno task test:soak:reloads`: a packaged provider serves for half an hour, is reloaded every
 * three minutes and upgraded once. No call may fail, each answer is charged once, and memory,
 * descriptors and disk are as flat at the end as after the first minutes.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { pause } from "../../lib/pause.ts";
import { askControl } from "../../lib/provider/control/control_client.ts";
import { readJournal } from "../../lib/provider/ledger/store.ts";
import { buildPackage } from "../../tools/package.ts";
import { print } from "../../tools/print.ts";
import { ACCOUNTS } from "../../worlds/chain/people.ts";
import { freePort } from "../../worlds/free_port.ts";
import { openProviderHome } from "../../worlds/provider_home.ts";
import { serveProgram } from "../../worlds/served_program.ts";
import { newSigningKey, signPackage } from "../../worlds/signed_release.ts";
import { median } from "../../bench/report.ts";
import { plotOf } from "./plot.ts";

const MINUTES = Number(Deno.env.get("KHACHAPURI_SOAK_MINUTES") ?? 30);
const RELOAD_EVERY_MS = 180_000;
const SAMPLE_EVERY_MS = 10_000;
const CALLERS = 4;
/** Between two calls of one caller: an owner pays for 600 a minute at most. */
const REST_MS = 600;

interface Sample {
  minute: number;
  pid: number;
  rssMb: number;
  descriptors: number;
  diskMb: number;
  processes: number;
}

await using home = await openProviderHome();
home.chain.fake.allow(ACCOUNTS.owner.address, 1_000n, 1_000_000n);
const { cid } = await home.deploy("echo hello");
const listen = `127.0.0.1:${freePort()}`;
const settings = (idleSeconds: number) => ({
  listen,
  settlement: { intervalSeconds: 60 },
  sandbox: { instanceIdleSeconds: idleSeconds },
});
await home.write(settings(60));
const file = join(home.dir, "khachapuri");
await buildPackage(file);
const key = newSigningKey();
const fetched = await signedAs("0.1.1");
const env = { XDG_CACHE_HOME: join(home.dir, "cache"), NO_COLOR: "1" };
await using provider = await serveProgram(file, home.dir, { env });
const url = provider.url!;
const book = join(home.dir, "state", "book");
const startedAt = performance.now();
const minutes = () => (performance.now() - startedAt) / 60_000;
const isOver = () => minutes() >= MINUTES;

let answers = 0;
let longestMs = 0;
const failures: string[] = [];
const samples: Sample[] = [];

async function call(): Promise<void> {
  const begunAt = performance.now();
  try {
    const response = await fetch(`${url}/${cid}`);
    const text = await response.text();
    if (response.status !== 200 || text !== "hello\n") {
      throw new Error(`${response.status} ${text}`);
    }
    answers += 1;
  } catch (error) {
    failures.push(`${minutes().toFixed(1)} min: ${error}`);
  }
  longestMs = Math.max(longestMs, performance.now() - begunAt);
}

async function callAgainAndAgain(): Promise<void> {
  while (!isOver()) {
    await call();
    await pause(REST_MS);
  }
}

async function command(...args: string[]): Promise<void> {
  const { code, stderr } = await new Deno.Command(file, {
    args: [...args, "--home", home.dir],
    env,
    stdin: "null",
    stdout: "null",
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
}

async function reloadNowAndThen(): Promise<void> {
  let isUpgraded = false;
  for (let count = 1; !isOver(); count++) {
    await pause(Math.min(RELOAD_EVERY_MS, Math.max(0, (MINUTES - minutes()) * 60_000)));
    if (isOver()) return;
    if (!isUpgraded && minutes() >= MINUTES / 2) {
      await command("upgrade", fetched, "--key", key.publicLine);
      isUpgraded = true;
      print(`${minutes().toFixed(1)} min: upgraded`);
    } else {
      await home.write(settings(60 + count));
      await command("reload");
      print(`${minutes().toFixed(1)} min: reloaded`);
    }
  }
}

/** The same package as a later release, signed. */
async function signedAs(version: string): Promise<string> {
  const path = join(home.dir, "fetched");
  const bytes = await Deno.readFile(file);
  bytes.set(new TextEncoder().encode(version), "#!/bin/sh\n# Khachapuri ".length);
  await Deno.writeFile(path, bytes);
  await Deno.writeTextFile(`${path}.minisig`, signPackage(bytes, key, { version }));
  return path;
}

async function sample(): Promise<Sample> {
  const { pid } = (await askControl(book, "status"))!.done as { pid: number };
  const script = `awk '/^VmRSS/ { print $2 }' /proc/${pid}/status; ls /proc/${pid}/fd | wc -l
    du -sk --exclude='*-wal' ${home.dir}/state | cut -f1; pgrep -fc 'serve .*--home ${home.dir}'`;
  const { stdout } = await new Deno.Command("/bin/sh", { args: ["-c", script] }).output();
  const [rss, descriptors, disk, processes] = new TextDecoder().decode(stdout).split("\n")
    .map(Number) as [number, number, number, number];
  const diskMb = disk / 1_024;
  return { minute: minutes(), pid, rssMb: rss / 1_024, descriptors, diskMb, processes };
}

async function sampleAllTheTime(): Promise<void> {
  while (!isOver()) {
    // While one process takes another's place nobody may answer.
    const taken = await sample().catch(() => null);
    if (taken && taken.rssMb > 0) samples.push(taken);
    await pause(SAMPLE_EVERY_MS);
  }
}

await Promise.all([
  ...Array.from({ length: CALLERS }, callAgainAndAgain),
  reloadNowAndThen(),
  sampleAllTheTime(),
]);
provider.signal("SIGTERM");
assert.equal(await provider.ended, 0);
const charges = readJournal(join(book, "ledger.db"), {}).filter(({ kind }) => kind === "charge");
const plot = plotOf(samples, MINUTES);
plot("RSS", ({ rssMb }) => rssMb, "MB");
plot("descriptors", ({ descriptors }) => descriptors, "");
plot("disk", ({ diskMb }) => diskMb, "MB");
plot("processes", ({ processes }) => processes, "");
const third = (from: number, to: number) =>
  samples.filter(({ minute }) => minute >= MINUTES * from && minute < MINUTES * to);
const [early, late] = [third(0.1, 0.4), third(0.7, 1)];
const growth = (of: (sample: Sample) => number) => median(late.map(of)) / median(early.map(of)) - 1;
print(`${answers} answers, ${charges.length} charges, ${failures.length} failures`);
print(`the longest call took ${longestMs.toFixed(0)} ms`);
const percent = (value: number) => `${(100 * value).toFixed(1)} %`;
print(`RSS ${percent(growth(({ rssMb }) => rssMb))} from the first third to the last`);
assert.deepEqual(failures, []);
assert.equal(charges.length, answers);
assert(growth(({ rssMb }) => rssMb) < 0.15, "memory grows");
assert(growth(({ descriptors }) => descriptors) < 0.15, "descriptors grow");
// The journal and the log of runs grow with calls, some hundred bytes each. (A database's own log
// takes 32 MiB before it is begun anew, and is left out.)
const grownKb = 1_024 * (late.at(-1)!.diskMb - early[0]!.diskMb);
assert(grownKb < 2_000 + answers, `the disk has grown by ${grownKb.toFixed(0)} kB`);
print("1 passed, 0 failed");
