/** A hostile server at a provider, the same without a sandbox, and a polite caller beside them. */
import assert from "node:assert/strict";
import type { Hex } from "viem";
import { deploymentLane } from "../../lib/permit.ts";
import { freePort } from "../../worlds/free_port.ts";
import type { Market } from "../../worlds/market.ts";
import { buildServer } from "./program.ts";
import { pause } from "../../lib/pause.ts";

const PROGRAM = await buildServer();

/** As a deployment's spec says it. */
export interface ServerFields {
  /** "never" and "crash" keep it from listening. */
  mode?: "never" | "crash" | "serve";
  listen?: "port" | "fd";
  instances?: number;
  /** Requests that an instance has at a time. */
  concurrency?: number;
  timeoutMs?: number;
}

export interface Deployed {
  readonly cid: string;
  /** In the argument list of all of its processes. */
  readonly tag: string;
  /** On which its owner pays. */
  readonly lane: Hex;
}

/** Credits that its owner was charged for what it did by itself. */
export function failures(market: Market, { lane }: Pick<Deployed, "lane">): number {
  return market.entries({ lane }).filter((entry) =>
    entry.kind === "charge" && entry.outcome === "failed"
  ).length;
}

export async function deployServer(market: Market, fields: ServerFields = {}): Promise<Deployed> {
  const { mode = "serve", listen = "port", instances = 1, concurrency = 32 } = fields;
  const tag = `server-${crypto.randomUUID()}`;
  const spec = await market.spec({
    files: { main: PROGRAM },
    fields: {
      interface: "http",
      server: { listen, instances, concurrency },
      limits: {
        timeoutMs: fields.timeoutMs ?? 10_000,
        memoryMb: 128,
        concurrency: Math.min(200, instances * concurrency),
        ownerCreditsPerMinute: 100_000,
      },
    },
  });
  const program = { ...spec.program, args: [mode, tag] };
  const cid = await market.publishSpec({ ...spec, program });
  return { cid, tag, lane: deploymentLane(spec.id) };
}

export interface Outside extends AsyncDisposable {
  readonly tag: string;
  readonly url: string;
  readonly port: number;
}

/** The same program without a sandbox, in a box that dies as a whole: what it would get. */
export async function serveOutside(): Promise<Outside> {
  const path = await Deno.makeTempFile();
  await Deno.writeFile(path, PROGRAM, { mode: 0o755 });
  await Deno.chmod(path, 0o755);
  const [port, tag] = [freePort(), `outside-${crypto.randomUUID()}`];
  const box = ["--pid", "--fork", "--kill-child", "--mount-proc"];
  const child = new Deno.Command("unshare", {
    args: [...box, path, "serve", tag],
    env: { PORT: String(port) },
    stdout: "null",
  }).spawn();
  const url = `http://127.0.0.1:${port}`;
  await until(async () => {
    const answer = await fetch(`${url}/nonce?up`).catch(() => null);
    return await answer?.text() === "up";
  });
  return {
    tag,
    url,
    port,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.status;
      await Deno.remove(path);
    },
  };
}

/** Asks again and again, for as long as may be waited. */
export async function until(isSo: () => Promise<boolean> | boolean, ms = 10_000): Promise<void> {
  for (const end = performance.now() + ms; !await isSo();) {
    assert(performance.now() < end, `it did not come to pass within ${ms} ms: ${isSo}`);
    await pause(10);
  }
}

/** Resolves with how long `work` took, ms. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}

export interface PoliteCaller extends AsyncDisposable {
  /** Forgets what has been counted. */
  reset(): void;
  /** Prints how long its calls took, and what `beside` they were; throws where one was wrong. */
  verdict(beside: string): Promise<number>;
}

/** Between two of its calls: it is no load. */
const POLITE_MS = 10;

/** Calls a server of its own all the time, and wants its own words back. */
export async function callPolitely(market: Market, url: string): Promise<PoliteCaller> {
  const { cid } = await deployServer(market);
  let took: number[] = [];
  let wrong: string | null = null;
  let isStopped = false;
  async function callOnce(): Promise<void> {
    const word = crypto.randomUUID();
    const begun = performance.now();
    const response = await fetch(`${url}/${cid}/nonce?${word}`);
    const said = await response.text();
    if (said !== word) wrong ??= `${response.status} ${said}`;
    took.push(performance.now() - begun);
  }
  async function callOn(): Promise<void> {
    while (!isStopped) {
      await callOnce().catch((error) => wrong ??= String(error));
      await pause(POLITE_MS);
    }
  }
  await callOnce();
  const going = callOn();
  return {
    reset() {
      took = [];
      wrong = null;
    },
    async verdict(beside) {
      await callOnce();
      assert.equal(wrong, null, beside);
      const [p50, p99] = [0.5, 0.99].map((part) => quantile(took, part));
      say(`polite caller beside ${beside}: ${took.length} calls, p50 ${ms(p50!)}, p99 ${ms(p99!)}`);
      return p99!;
    },
    async [Symbol.asyncDispose]() {
      isStopped = true;
      await going;
    },
  };
}

function quantile(values: readonly number[], part: number): number {
  const at = Math.min(values.length - 1, Math.floor(part * values.length));
  return values.toSorted((a, b) => a - b)[at]!;
}

export const ms = (value: number) => `${value.toFixed(1)} ms`;

export function say(line: string): void {
  // deno-lint-ignore no-console
  console.log(`    ${line}`);
}

export const MIB = 1024 * 1024;
export const mib = (bytes: number) => `${(bytes / MIB).toFixed(1)} MiB`;
