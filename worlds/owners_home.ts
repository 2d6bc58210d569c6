/** A home of the market's owner, from which it deploys to the market's provider by name. */
import type { ProviderRecords } from "../lib/chain/registry.ts";
import { termsHash } from "../lib/spec/terms.ts";
import { nameProvider } from "./chain/escrow_chain.ts";
import { privateKeyOf } from "./chain/people.ts";
import { chainConfig, openHome, runIn } from "./home.ts";
import { type Market, TERMS } from "./market.ts";

export const NAME = "paolo.khachapuri";

/** Gives the market's provider a name, and its owner a home to deploy from. */
export async function openOwnersHome(market: Market) {
  const { gateway, accounts } = market;
  const register = (records: Partial<ProviderRecords> = {}) =>
    nameProvider(market, NAME, {
      webDomain: market.provider.url,
      recipients: [market.recipient],
      terms: termsHash(TERMS),
      ...records,
    });
  await register();
  const config = {
    ...chainConfig(market),
    gateways: [gateway.url],
    kubo: { url: gateway.kuboUrl },
  };
  const home = await openHome(config, { "keys.json": privateKeyOf(accounts.owner) });
  const run = (args: string[], answers?: string[]) =>
    runIn(home.dir, args, answers ? { answers, isTerminal: true } : {});
  return { ...home, run, register };
}
