/** The provider that the rows are tried on: the same program, deployed once for each interface. */
import { type Market, startMarket } from "../../worlds/market.ts";
import { type Interface, INTERFACES } from "./row.ts";

const LIMITS = { timeoutMs: 15_000, memoryMb: 128, concurrency: 16, ownerCreditsPerMinute: 60_000 };

export interface Stage extends AsyncDisposable {
  readonly market: Market;
  readonly port: number;
  /** The deployment of each interface. */
  readonly cids: Readonly<Record<Interface, string>>;
  /** Credits that were charged so far; runs that nobody pays are none. */
  charges(): number;
  /** Programs that run now. */
  runs(): Promise<number>;
}

/** @param webDomain of the provider; below one that is found, deployments have hosts */
export async function openStage(
  kinds: readonly Interface[] = INTERFACES,
  webDomain = "http://provider.test",
): Promise<Stage> {
  const market = await startMarket({
    settings: { webDomain, settlement: { mode: "batch" } },
    credits: 5_000n,
  });
  const program = await Deno.readTextFile(new URL("program.py", import.meta.url));
  const cids = await Promise.all(kinds.map(async (kind) => {
    const fields = { interface: kind, env: { INTERFACE: kind }, limits: LIMITS };
    return [kind, await market.deploy({ files: { main: program }, fields })];
  }));
  const { url } = market.provider;
  return {
    market,
    port: Number(new URL(url).port),
    cids: Object.fromEntries(cids),
    charges: () => market.entries().filter(({ kind }) => kind === "charge").length,
    async runs() {
      const response = await fetch(`${url.replace("127.0.0.1", "localhost")}/healthz`);
      return (await response.json()).runs;
    },
    [Symbol.asyncDispose]: () => market[Symbol.asyncDispose](),
  };
}
