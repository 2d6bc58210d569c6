/**
 * What the curves of `bench growth` share: a chain and a gateway, a hundred owners with credits,
 * and providers in processes of their own, each on a copy of one home.
 */
import { join } from "node:path";
import type { LocalAccount } from "viem";
import { fundCrowd, people } from "../worlds/chain/crowd.ts";
import { startChildProvider } from "../worlds/child_provider.ts";
import { changeConfig, makeFolder } from "../worlds/home.ts";
import { type Market, startMarket } from "../worlds/market.ts";
import { outputOf } from "./checkout.ts";
import type { Curve } from "./exponent.ts";
import {
  buildProgram,
  type CrowdOfPrograms,
  type Deployed,
  deployMany,
} from "../worlds/crowd_programs.ts";
import type { Must } from "./report.ts";

/** What one part of `bench growth` found out. */
export interface Growth {
  readonly curves: readonly Curve[];
  readonly must: readonly Must[];
}

/** Time that a part may take: what no time is left for is not measured, and said so. */
export class Budget {
  readonly #endsAt: number;

  constructor(seconds: number) {
    this.#endsAt = performance.now() + 1_000 * seconds;
  }

  /** Seconds. */
  left(): number {
    return Math.max(0, (this.#endsAt - performance.now()) / 1_000);
  }
}

const OWNERS = 100;
/** Credits of each owner: more than the fastest machine can use up here. */
const PLENTY = 2_000_000n;
/** Settling is money's matter: here no batch falls due. */
const SETTLEMENT = { mode: "batch", intervalSeconds: 360, amount: "1000000000000" };

export interface Served extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  /** From its start until it listened. */
  readonly startMs: number;
  /** A metric without labels, or the sum of one with them. */
  metric(name: string): Promise<number>;
  /** SIGTERM. */
  stop(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
}

export interface GrowthWorld extends AsyncDisposable {
  readonly market: Market;
  readonly owners: readonly LocalAccount[];
  /** The program's path. */
  readonly program: string;
  deploy(crowd: Omit<CrowdOfPrograms, "owners"> & Partial<CrowdOfPrograms>): Promise<Deployed[]>;
  /** A copy of the home that no provider has served from. */
  copyHome(): Promise<string>;
  /** A provider on such a copy, which is gone with it. @param sandbox of its settings */
  serve(sandbox?: Record<string, unknown>): Promise<Served>;
  /** On this home; null: it was killed by the signal before it listened. */
  serveHome(home: string, signal: AbortSignal): Promise<Served | null>;
}

/** Opens it. */
export async function openGrowthWorld(): Promise<GrowthWorld> {
  await using stack = new AsyncDisposableStack();
  const market = stack.use(await startMarket({ settings: { settlement: SETTLEMENT } }));
  const { dir } = stack.use(await makeFolder());
  const owners = people(OWNERS);
  await fundCrowd(market, owners, PLENTY);
  await market.provider.stop();
  const program = await buildProgram(dir);
  let copies = 0;
  async function copyHome(): Promise<string> {
    const home = join(dir, `home-${copies++}`);
    await outputOf("cp", ["-a", market.home, home]);
    return home;
  }
  const owned = stack.move();
  return {
    market,
    owners,
    program,
    deploy: (crowd) => deployMany(market, program, { owners, ...crowd }),
    copyHome,
    async serve(sandbox = {}) {
      const home = await copyHome();
      await changeConfig(home, ({ provider, ...config }) => (
        { ...config, provider: { ...provider, sandbox: { ...provider.sandbox, ...sandbox } } }
      ));
      return await serveCopy(home);
    },
    serveHome: serve,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function serveCopy(home: string): Promise<Served> {
  const served = await serve(home);
  if (served === null) throw new Error(`it does not start: see ${home}/provider.log`);
  return {
    ...served,
    async [Symbol.asyncDispose]() {
      await served.kill();
      await Deno.remove(home, { recursive: true });
    },
  };
}

async function serve(home: string, signal?: AbortSignal): Promise<Served | null> {
  const startedAt = performance.now();
  const child = await startChildProvider(home, { logLevel: "info" });
  const kill = () => child.kill();
  signal?.addEventListener("abort", kill);
  const url = await child.url;
  signal?.removeEventListener("abort", kill);
  if (url === null) return null;
  const startMs = performance.now() - startedAt;
  return {
    url,
    pid: child.pid,
    startMs,
    async metric(name) {
      const text = await (await fetch(`${url}/metrics`)).text();
      const lines = text.matchAll(new RegExp(`^${name}(?:{.*})? (\\S+)$`, "gm"));
      return [...lines].reduce((sum, [, value]) => sum + Number(value), 0);
    },
    stop: async () => void await child.stop(),
    kill,
    [Symbol.asyncDispose]: kill,
  };
}
