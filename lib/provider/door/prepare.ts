/** What a provider does before it opens its books: all that takes long, and none of it theirs. */
import { join } from "node:path";
import { makeEtc } from "../../../sandbox/etc.ts";
import {
  type Config,
  keepOf,
  type ProviderConfig,
  requireProvider,
  resolveFromHome,
} from "../../config.ts";
import type { Log } from "../../log.ts";
import { recipientOf } from "../../spec/keys.ts";
import { assertStateKnown } from "../../state_database.ts";
import type { Offering } from "../http/page.ts";
import { readAhead } from "../ledger/book_reader.ts";
import { OperatorWatch } from "../settlement/operator_watch.ts";
import { readLeftBehind } from "./left_behind.ts";
import { type Ground, groundOf, preflight } from "./preflight.ts";
import { inGeneration, prepareState, type Site, type StateDirs } from "./site.ts";
import {
  warnOfCollector,
  warnOfEndpoints,
  warnOfLeftBehind,
  warnOfLimits,
  warnOfSharing,
} from "./start_notices.ts";

/**
 * Looks at everything that a provider needs.
 * @throws KhachapuriError when the configuration, the keys, the chain, the operator's approval, the
 * sandbox or a later release's state would not let it serve; it says what to do
 */
export async function prepareSite(
  config: Config,
  { log, now }: { log: Log; now: () => number },
): Promise<Site> {
  const provider = requireProvider(config);
  const state = await prepareState(config, provider);
  assertStateKnown(state.book);
  const keysPath = resolveFromHome(config, provider.keyFile);
  const ground = groundOf(await preflight({ config, keysPath, now }));
  warnOfLimits(ground, log);
  warnOfSharing(ground, log);
  warnOfCollector(ground, log);
  warnOfEndpoints(ground, log);
  const { connected: { chain, contracts: { escrow } }, operator } = ground;
  const watch = new OperatorWatch({
    chain,
    escrow,
    provider: provider.address,
    operator: operator.account.address,
    read: operator.limits,
    now,
  });
  const [offering] = await Promise.all([describe({ provider, ground }), watch.first()]);
  const terms = [...ground.terms.keys()];
  warnOfLeftBehind(readLeftBehind(config, provider, terms, now), log);
  const prepared = { offering, watch };
  return { config, provider, state, ground, prepared, succession: null, log, now };
}

/**
 * Makes ready for taking the place of a provider that runs, so that its books are missed by nobody
 * for longer than they take to be opened.
 * @param generation of the folders that are used from now on
 */
export function prepareSuccession(site: Site, generation: number): Site {
  const state: StateDirs = inGeneration(site.state, generation);
  const isOwn = site.provider.ledger.postgres === undefined;
  const ahead = isOwn ? readAhead(join(state.book, "ledger.db")) : null;
  return { ...site, state, succession: { ahead, etc: makeEtc(state.etc) } };
}

async function describe(
  { provider, ground }: { provider: ProviderConfig; ground: Ground },
): Promise<Offering> {
  const { connected: { chain, contracts: { escrow, usdc } }, keys, terms, operator } = ground;
  const { name, address, webDomain, price, egress, names } = provider;
  const { timeoutMs, memoryMb, credits, requestBytes, responseBytes } = provider.sandbox;
  const { instances, instanceIdleSeconds } = provider.sandbox;
  const { ipfs } = provider;
  return {
    name,
    address,
    webDomain: webDomain.replace(/\/$/, ""),
    recipients: await Promise.all((keys.identities ?? []).map(recipientOf)),
    termsHashes: [...terms.keys()],
    keep: keepOf(provider),
    timeoutMs,
    memoryMb,
    credits,
    requestBytes,
    responseBytes,
    egress,
    instances,
    instanceIdleSeconds,
    names: names.enabled ? { perUsdc: names.perUsdc } : null,
    ipfs,
    offer: {
      chainId: chain.chainId,
      escrow,
      asset: usdc,
      payTo: address,
      pricePerCredit: price,
      maxTimeoutSeconds: Math.ceil(timeoutMs / 1000),
      thawingPeriodSeconds: Number(operator.thawingSeconds),
    },
  };
}
