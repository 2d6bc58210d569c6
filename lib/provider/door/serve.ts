/** Wires a provider from its configuration and listens. */
import { join } from "node:path";
import type { Hex, LocalAccount } from "viem";
import { copyEtc } from "../../../sandbox/etc.ts";
import { probeSandbox } from "../../../sandbox/probe.ts";
import type { SandboxHost } from "../../../sandbox/sandbox.ts";
import { connect } from "../../chain/client.ts";
import { contractsFor } from "../../chain/deployments.ts";
import { isOperator, thawingPeriod } from "../../chain/escrow.ts";
import {
  type Config,
  type Contracts,
  type ProviderConfig,
  requireProvider,
  resolveFromHome,
} from "../../config.ts";
import type { Chain } from "../../chain/client.ts";
import { asKhachapuriError, KhachapuriError } from "../../errors.ts";
import { openCache } from "../../ipfs/cache.ts";
import { createFetcher, type Fetcher } from "../../ipfs/gateway.ts";
import { BUFFERED_BODY_BYTES_MAX, CACHE_BYTES_MAX, TERMS_BYTES_MAX } from "../../limits.ts";
import type { Log } from "../../log.ts";
import { accountOf, readKeyFile, recipientOf } from "../../spec/keys.ts";
import { termsHash } from "../../spec/terms.ts";
import type { BillTerms } from "../money/bill.ts";
import { createDeployments } from "../deployment/deployments.ts";
import { createCounters, providerMetrics } from "../metrics/gauges.ts";
import { openIdempotency } from "../call/idempotency.ts";
import { LOCK_FILE, lockState } from "./lock.ts";
import { createOnboarding } from "../settlement/onboarding.ts";
import { createOwnerCredits } from "../money/owner_credits.ts";
import type { Offering } from "../http/page.ts";
import { openPayments } from "../settlement/payments.ts";
import { openPrograms } from "../deployment/programs.ts";
import { createReceipts, receiptSecret } from "../money/receipts.ts";
import { createBodyReader } from "../http/request_body.ts";
import { openRegistrations } from "../deployment/registrations.ts";
import { createRoutes } from "./routes.ts";
import { createSandboxes, sandboxHost } from "../program/sandboxes.ts";
import { createSlots } from "../call/slots.ts";
import { createSoon } from "../http/short_timer.ts";
import { within } from "../../within.ts";

export interface RunningProvider {
  /** Where it listens, e.g. `http://127.0.0.1:8402`. */
  url: string;
  /** Lets runs end (for `graceMs` at most), settles what is due, closes everything. */
  stop(): Promise<void>;
}

export interface ServeOptions {
  log: Log;
  now?: () => number;
  /** How long runs may go on after `stop`, ms. */
  graceMs?: number;
}

/** A sandbox nobody calls for this long goes. */
const SANDBOX_IDLE_MS = 60_000;
/** Sandboxes open at once. */
const SANDBOXES_MAX = 256;

/**
 * Starts a provider.
 * @throws KhachapuriError when the configuration, the keys, the chain, the operator's approval or
 * the sandbox would not let it serve; it says what to do
 */
export async function startProvider(
  config: Config,
  options: ServeOptions,
): Promise<RunningProvider> {
  const ground = await survey(config, options.log);
  const { provider } = ground;
  await using stack = new AsyncDisposableStack();
  const lock = await lockState(join(ground.state.book, LOCK_FILE));
  stack.defer(() => lock.release());
  const handle = await openRoutes(config, ground, options, stack);
  const server = await listen(config, provider, handle, options.log);
  await lock.announce(server.url);
  const owned = stack.move();
  const { escrow } = ground.contracts;
  options.log.info("serving", { url: server.url, name: provider.name, escrow });
  return {
    url: server.url,
    async stop() {
      await server.stop(options.graceMs ?? provider.sandbox.timeoutMs);
      await owned.disposeAsync();
    },
  };
}

/** What a provider stands on, checked before anything is opened. */
interface Ground {
  provider: ProviderConfig;
  state: StateDirs;
  account: LocalAccount;
  identities: readonly string[];
  host: SandboxHost;
  chain: Chain;
  contracts: Contracts;
  terms: ReadonlyMap<Hex, Uint8Array<ArrayBuffer>>;
}

async function survey(config: Config, log: Log): Promise<Ground> {
  const provider = requireProvider(config);
  const state = await prepareState(config, provider);
  const keysPath = resolveFromHome(config, provider.keyFile);
  const keys = await readKeyFile(keysPath);
  const account = accountOf(keys, keysPath);
  const host = { ...await openHost(provider, log), etc: await copyEtc(state.etc) };
  const chain = await connectChain(config);
  const contracts = contractsFor(chain.chainId, config.contracts[String(chain.chainId)]);
  await assertOperator(chain, contracts, provider, account.address);
  const terms = await readTerms(config, provider);
  const identities = keys.identities ?? [];
  return { provider, state, account, identities, host, chain, contracts, terms };
}

/** Opens books, cache and sandboxes, to be closed with `stack`, and wires the routes on them. */
async function openRoutes(
  config: Config,
  ground: Ground,
  { log, now = Date.now }: ServeOptions,
  stack: AsyncDisposableStack,
): Promise<Handle> {
  const { provider, state, account, identities, host, chain, contracts, terms } = ground;
  const { escrow } = contracts;
  const { timeoutMs, memoryMb, concurrency } = provider.sandbox;
  const { address, price, onboarding: policy } = provider;
  const us: BillTerms = { chainId: chain.chainId, escrow, provider: address, price };
  const payments = await openPayments({
    ...{ chain, escrow, provider, account, log, now },
    dir: state.book,
  });
  stack.defer(() => payments.close());
  const registrations = openRegistrations(join(state.book, "deployments.db"), {
    now,
    lost: (error) => log.warn("log lines of runs were lost", { message: String(error) }),
  });
  stack.defer(() => registrations.close());
  const fetcher = await openFetcher(config, state.cache);
  const programs = await openPrograms({ dir: state.programs, fetcher });
  const sandboxes = createSandboxes({
    ...{ host, programs, timeoutMs, memoryMb },
    idleMs: SANDBOX_IDLE_MS,
    openMax: SANDBOXES_MAX,
  });
  stack.defer(() => sandboxes.close());
  const { credits, ledger, operator, payers, settlement } = payments;
  const idempotency = openIdempotency({
    path: join(state.book, "answers.db"),
    wasCharged: (reservation) => ledger.receipted(reservation) !== undefined,
    now,
  });
  stack.defer(() => idempotency.close());
  const secret = await receiptSecret(join(state.book, "receipts.key"));
  const { usdc } = contracts;
  const counters = createCounters();
  const [slots, ownerCredits] = [createSlots(concurrency, now), createOwnerCredits()];
  const soon = createSoon();
  stack.defer(() => soon.close());
  const hashes = new Set(terms.keys());
  return createRoutes({
    ...{ us, terms, sandboxes, registrations, log, now, credits, ledger, settlement, slots },
    ...{ idempotency, ownerCredits, soon, ...counters },
    readBody: createBodyReader(BUFFERED_BODY_BYTES_MAX),
    onboarding: createOnboarding({ chain, us, usdc, policy, operator, payers, log, now }),
    receipts: createReceipts({ secret, ledger, us, operator: account }),
    operator: account.address,
    metrics: providerMetrics(counters, { payments, sandboxes, slots, ownerCredits }),
    webDomain: new URL(provider.webDomain),
    deployments: createDeployments({ fetcher, identities, terms: hashes, us, registrations }),
    offering: await describe(chain, contracts, provider, identities, [...hashes]),
    health: chainHealth(chain),
  });
}

interface StateDirs {
  /** Ledger and logs: nobody else's. */
  book: string;
  cache: string;
  programs: string;
  etc: string;
}

/** The run uid passes through `stateDir` to an unpacked program whose name it is told, no more. */
async function prepareState(config: Config, provider: ProviderConfig): Promise<StateDirs> {
  const dir = resolveFromHome(config, provider.stateDir);
  const [book, cache] = [join(dir, "book"), join(dir, "cache")];
  const [programs, etc] = [join(dir, "programs"), join(dir, "etc")];
  await Deno.mkdir(book, { recursive: true });
  await Deno.chmod(dir, 0o711);
  await Deno.chmod(book, 0o700);
  return { book, cache, programs, etc };
}

async function openHost({ sandbox }: ProviderConfig, log: Log): Promise<SandboxHost> {
  const host = sandboxHost(sandbox);
  const probe = await probeSandbox(host);
  if (!probe.ok) {
    throw new KhachapuriError("sandbox_unavailable", probe.reason, { hints: probe.hints });
  }
  const { missing, hints, swept } = probe;
  if (missing.length > 0) log.warn("limits that the kernel does not enforce", { missing, hints });
  if (swept > 0) log.info("swept what an earlier provider left", { cgroups: swept });
  return host;
}

async function connectChain(config: Config): Promise<Chain> {
  if (config.rpc) return await connect(config.rpc);
  throw new KhachapuriError("invalid_config", "no chain is configured", {
    hints: ['set "rpc" in config.json, or give --rpc URL'],
  });
}

/** A provider that cannot settle would serve for nothing. */
async function assertOperator(
  chain: Chain,
  { escrow }: Contracts,
  provider: ProviderConfig,
  operator: `0x${string}`,
): Promise<void> {
  if (operator === provider.address) return;
  if (await isOperator(chain, escrow, provider.address, operator)) return;
  throw new KhachapuriError("access_denied", `${operator} may not settle for the provider`, {
    hints: [`with the provider key: khachapuri operator add ${operator}`],
  });
}

async function readTerms(config: Config, provider: ProviderConfig) {
  const terms = new Map<Hex, Uint8Array<ArrayBuffer>>();
  for (const path of provider.terms) {
    const text = await Deno.readFile(resolveFromHome(config, path));
    if (text.length > TERMS_BYTES_MAX) {
      const limit = `${path}: terms have at most ${TERMS_BYTES_MAX} bytes`;
      throw new KhachapuriError("invalid_config", limit);
    }
    terms.set(termsHash(text), text);
  }
  return terms;
}

async function openFetcher(config: Config, dir: string): Promise<Fetcher> {
  if (config.gateways.length === 0) {
    throw new KhachapuriError("invalid_config", "no IPFS gateway is configured", {
      hints: ['list trustless gateways under "gateways" in config.json, your own first'],
    });
  }
  const cache = await openCache(dir, { maxBytes: CACHE_BYTES_MAX });
  return createFetcher({ gateways: config.gateways, cache });
}

async function describe(
  chain: Chain,
  { escrow, usdc }: Contracts,
  provider: ProviderConfig,
  identities: readonly string[],
  terms: readonly Hex[],
): Promise<Offering> {
  const { name, address, webDomain, price } = provider;
  const { timeoutMs, memoryMb } = provider.sandbox;
  const recipients = await Promise.all(identities.map(recipientOf));
  const thawing = await thawingPeriod(chain, escrow);
  return {
    name,
    address,
    webDomain: webDomain.replace(/\/$/, ""),
    recipients,
    terms,
    timeoutMs,
    memoryMb,
    offer: {
      chainId: chain.chainId,
      escrow,
      asset: usdc,
      payTo: address,
      pricePerCredit: price,
      maxTimeoutSeconds: Math.ceil(timeoutMs / 1000),
      thawingPeriodSeconds: Number(thawing),
      ...(provider.onboarding.enabled ? { depositMinimum: provider.onboarding.minimum } : {}),
    },
  };
}

function chainHealth(chain: Chain): () => Promise<string | null> {
  return async () => {
    try {
      await chain.public.getBlockNumber({ cacheTime: 2_000 });
      return null;
    } catch {
      return "the chain cannot be reached";
    }
  };
}

type Handle = ReturnType<typeof createRoutes>;

/**
 * An answer that had begun could not be ended. Mostly a program met a limit or a caller went away,
 * which strangers may bring about as often as they like.
 */
function cutOff(thrown: unknown, log: Log): Response {
  const error = asKhachapuriError(thrown);
  const level = error.code === "internal" ? "error" : "debug";
  log[level]("an answer was cut off", { error });
  return new Response(null, { status: 500 });
}

/** Between two attempts to listen again, ms. */
const RELISTEN_MS = 1_000;

async function listen(config: Config, provider: ProviderConfig, handle: Handle, log: Log) {
  const [, hostname = "127.0.0.1", port = "8402"] = /^(.*):([0-9]+)$/.exec(provider.listen) ?? [];
  const tls = provider.tls && {
    cert: await Deno.readTextFile(resolveFromHome(config, provider.tls.cert)),
    key: await Deno.readTextFile(resolveFromHome(config, provider.tls.key)),
  };
  let isStopped = false;
  const open = (port: number) =>
    Deno.serve(
      { hostname, port, onListen: () => {}, onError: (error) => cutOff(error, log), ...tls },
      (request, info) => handle(request, { address: info.remoteAddr.hostname }),
    );
  let server = open(Number(port));
  const bound = server.addr.port;

  /** Strangers can open more connections than we have files for: that must not be the end. */
  async function listenAgain(error: unknown): Promise<void> {
    log.error("connections are not accepted any more, listening again", { error });
    while (!isStopped) {
      await new Promise((resolve) => Deno.unrefTimer(setTimeout(resolve, RELISTEN_MS)));
      try {
        if (!isStopped) watch(server = open(bound));
        return;
      } catch (error) {
        log.error("cannot listen yet", { error });
      }
    }
  }
  function watch({ finished }: typeof server): void {
    finished.catch(listenAgain);
  }
  watch(server);
  const url = `${tls ? "https" : "http"}://${hostname}:${bound}`;
  return {
    url,
    /** No new calls; those under way get `graceMs` to end. */
    async stop(graceMs: number): Promise<void> {
      isStopped = true;
      await within(server.shutdown().catch(() => {}), graceMs);
    },
  };
}
