/**
 * `deno task test:soak`: 20,000 calls, 16 at a time, through a provider in a process of its own,
 * one in ten of them hung up on or killed by its timeout. Afterwards nothing may have leaked:
 * processes, descriptors of provider and init, folders, cgroups; and memory has settled.
 */
import assert from "node:assert/strict";
import { startChildProvider } from "../../worlds/child_provider.ts";
import { startMarket } from "../../worlds/market.ts";
import { survivors } from "../../worlds/processes.ts";
import { buildAbuse } from "./program.ts";

const CALLS = Number(Deno.env.get("KHACHAPURI_SOAK_CALLS") ?? 20_000);
const AT_ONCE = 16;
const MIB = 1024;

async function shell(script: string): Promise<string> {
  const { stdout } = await new Deno.Command("/bin/sh", { args: ["-c", script] }).output();
  return new TextDecoder().decode(stdout).trim();
}

interface Holdings {
  providerFds: number;
  initFds: number;
  runs: number;
  cgroups: number;
  tmp: number;
  rssKib: number;
}

/** What provider, init and machine hold; programs carry the deployment's cid in their argv. */
async function holdings(home: string, cid: string): Promise<Holdings> {
  const script = `provider=$(pgrep -f "serve --home ${home}" | while read pid; do
      [ "$(cat /proc/$pid/comm)" = deno ] && echo $pid; done | head -1)
    host=$(pgrep -P $provider khachapuri-init)
    init=$(pgrep -P $(pgrep -P $host))
    ls /proc/$provider/fd | wc -l
    ls /proc/$init/fd | wc -l
    pgrep -f -r R,S,D,T,t "mai[n] -q .*${cid}" | wc -l
    find /sys/fs/cgroup -maxdepth 6 -name 'sb-*' -type d 2>/dev/null | wc -l
    find ${home}/state -maxdepth 2 | wc -l
    awk '/^VmRSS/ { print $2 }' /proc/$provider/status`;
  const [providerFds, initFds, runs, cgroups, tmp, rssKib] = (await shell(script)).split("\n")
    .map(Number);
  return {
    providerFds: providerFds!,
    initFds: initFds!,
    runs: runs!,
    cgroups: cgroups!,
    tmp: tmp!,
    rssKib: rssKib!,
  };
}

/** When the runs of callers that hung up have ended too. */
async function settled(home: string, cid: string): Promise<Holdings> {
  await survivors(`main -q .*${cid}`);
  return await holdings(home, cid);
}

await using market = await startMarket({
  settings: { settlement: { mode: "batch" } },
  credits: 45_000n,
});
const limits = {
  timeoutMs: 700,
  memoryMb: 64,
  concurrency: 32,
  ownerCreditsPerMinute: 1_000_000,
};
const cid = await market.deploy({ files: { main: await buildAbuse() }, fields: { limits } });
await market.provider.stop();
const provider = await startChildProvider(market.home);
const url = `${await provider.url}/${cid}`;

let started = 0;
const seen = { answered: 0, hungUp: 0, timedOut: 0 };
async function callOne(index: number): Promise<void> {
  if (index % 40 === 1) {
    const response = await fetch(`${url}/sleeper`);
    await response.text().catch(() => {});
    seen.timedOut += 1;
  } else if (index % 13 === 1) {
    const abort = AbortSignal.timeout(index % 7);
    await fetch(`${url}/sleeper`, { signal: abort }).then((r) => r.text()).catch(() => {});
    seen.hungUp += 1;
  } else {
    const response = await fetch(`${url}/x32`, { method: "POST", body: "x".repeat(index % 999) });
    assert.match(await response.text(), /x32-getpid ENOSYS/);
    seen.answered += 1;
  }
}
async function calls(upTo: number): Promise<void> {
  const work = async () => {
    while (started < upTo) await callOne(started++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

const startedAt = performance.now();
await calls(CALLS / 4);
const before = await settled(market.home, cid);
await calls(CALLS);
const after = await settled(market.home, cid);
const seconds = (performance.now() - startedAt) / 1000;
await provider.stop();
// The bracket keeps the shell itself out of what it finds.
const left = await shell(`pgrep -f -r R,S,D,T,t "[/]${market.home.slice(1)}" | wc -l`);
// deno-lint-ignore no-console
console.log({ calls: started, seconds: Math.round(seconds), ...seen, before, after, left });
assert.deepEqual([after.runs, left], [0, "0"]);
assert(after.initFds <= before.initFds, "init's descriptors");
assert(after.providerFds <= before.providerFds + 20, "the provider's descriptors");
assert(after.cgroups <= before.cgroups && after.tmp <= before.tmp + 2, "cgroups and folders");
assert(after.rssKib < before.rssKib + 64 * MIB, "the provider's memory");
