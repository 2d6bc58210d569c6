/** A market whose provider has a name on chain, and whose clocks a test sets forward. */
import { join } from "node:path";
import { termsHash } from "../lib/spec/terms.ts";
import { passTime } from "./chain/anvil_calls.ts";
import { nameProvider, PRICE } from "./chain/escrow_chain.ts";
import { privateKeyOf } from "./chain/people.ts";
import { chainConfig, type Home, openHome } from "./home.ts";
import { type Market, startMarket, TERMS } from "./market.ts";

export const NAME = "paolo.khachapuri";

export const HELLO = { files: { main: "#!/bin/sh\necho hello\n" } };

/** Settles often enough for permits to be good until two minutes before their epoch ends. */
const BATCH = { mode: "batch", intervalSeconds: 40, pollMs: 50 };

/**
 * A market whose clocks, the provider's and the chain's, go forward together.
 * @param settlement how it settles
 */
export async function openNamedMarket(settlement: Record<string, unknown> = BATCH) {
  let aheadMs = 0;
  const now = () => Date.now() + aheadMs;
  const market = await startMarket({ settings: { settlement }, now });
  return Object.assign(market, {
    async pass(seconds: bigint): Promise<void> {
      aheadMs += Number(seconds) * 1_000;
      await passTime(market.chain, seconds);
    },
  });
}

/** Says where the provider is now, and at what price. */
export function announce(market: Market, price = PRICE): Promise<void> {
  return nameProvider(market, NAME, {
    webDomain: market.provider.url,
    recipients: [market.recipient],
    terms: termsHash(TERMS),
    price,
  });
}

/** A home of somebody who deploys and pays there. */
export function openPersonsHome(market: Market, person: "owner" | "payer") {
  const { gateway, accounts } = market;
  const config = {
    ...chainConfig(market),
    gateways: [gateway.url],
    kubo: { url: gateway.kuboUrl },
  };
  return openHome(config, { "keys.json": privateKeyOf(accounts[person]) });
}

/** Deploys to that provider a program that says hello, from its folder in this home. */
export async function deployHello(owner: Home): Promise<string> {
  const dir = join(owner.dir, "hello");
  await Deno.mkdir(dir);
  await Deno.writeTextFile(join(dir, "main"), HELLO.files.main, { mode: 0o755 });
  const deployed = await owner.run("deploy", dir, "--provider", NAME, "--accept-terms");
  if (deployed.code !== 0) throw new Error(deployed.err);
  return deployed.out.split("\n")[0]!;
}

/** What a call is answered: the body of a 200, or status, message and hints. */
export async function answerOf(
  market: Market,
  cid: string,
  headers: Record<string, string> = {},
): Promise<string> {
  const response = await market.call(cid, { headers });
  const text = await response.text();
  if (response.status === 200) return text;
  const { message, hints } = JSON.parse(text);
  return [response.status, message, ...hints].join("\n");
}
