/**
 * The one configuration file, `<home>/config.json`: where the chain, IPFS and the contracts are,
 * and, on a provider's machine, the section `provider`. Flags of a command override it.
 */
import * as v from "valibot";
import type { Address } from "viem";
import { isAbsolute, join } from "node:path";
import { acmeDomainFault, acmeShape } from "./config_acme.ts";
import {
  BOOKS_OF_NODES,
  fleetShape,
  isNodesBooks,
  isSettledByBatches,
  ONE_NODE_SIGNS,
  postgresShape,
} from "./config_fleet.ts";
import { ipfsShape } from "./config_ipfs.ts";
import { publishShape } from "./config_publish.ts";
import { namesShape } from "./config_names.ts";
import { addressFault, EGRESS_LIMITS, egressFault, patternFault } from "./egress.ts";
import { KhachapuriError } from "./errors.ts";
import { readJsonFile } from "./home_file.ts";
import { ipRangesShape } from "./ip_ranges.ts";
import { type Keep, KEEP_NOTHING, keepTimeShape } from "./keep.ts";
import {
  REQUEST_BYTES_DEFAULT,
  RESPONSE_BYTES_DEFAULT,
  RUN_MEMORY_MB_MAX,
  RUN_TIMEOUT_MS,
  SPEC_CREDITS_MAX,
} from "./limits.ts";
import { SANDBOXES_OPEN_MAX, SPARES_MAX } from "./limits_of_sandboxes.ts";
import { INSTANCE_IDLE_SECONDS_DEFAULT, PROVIDER_INSTANCES_DEFAULT } from "./limits_of_servers.ts";
import { addressShape, httpUrlShape, parseShape, timeShape, usdcUnitsShape } from "./shape.ts";

const contractsShape = v.strictObject({
  /** Needed where none ships with us. */
  escrow: v.optional(addressShape),
  /** The escrow says which; here it is only compared. */
  usdc: v.optional(addressShape),
  /** Our Registry or an ENSRegistry; not needed where a Universal Resolver is given. */
  registry: v.optional(addressShape),
  universalResolver: v.optional(addressShape),
});

const numberWithin = (min: number, max: number) =>
  v.pipe(v.number(), v.integer("not a whole number"), v.minValue(min), v.maxValue(max));

const gigabytes = v.pipe(v.number(), v.minValue(0), v.maxValue(1_000_000));

const positive = (max: number) => numberWithin(1, max);

const patternShape = v.pipe(
  v.string(),
  v.check((text) => patternFault(text) === null, patternFault("")!),
);

const hostShape = v.pipe(
  v.string(),
  v.check((text) => egressFault(text) === null, egressFault("")!),
);

const addressAndPortShape = v.pipe(
  v.string(),
  v.check((text) => addressFault(text) === null, addressFault("")!),
);

const egressTableShape = v.strictObject({
  /** Patterns of what their owners may ask for, as "*:443"; empty: none have a network. */
  hosts: v.optional(v.array(patternShape), ["*:443"]),
  /** Connections of one deployment at once; more wait. */
  connections: v.optional(positive(1_024), EGRESS_LIMITS.connections),
  connectionsPerSecond: v.optional(positive(10_000), EGRESS_LIMITS.connectionsPerSecond),
  /** Of one deployment, each way. */
  bytesPerSecond: v.optional(positive(2 ** 40), EGRESS_LIMITS.bytesPerSecond),
  /** A connection without a byte for so many seconds goes. */
  idleSeconds: v.optional(positive(86_400), EGRESS_LIMITS.idleSeconds),
  /** Whether the provider's log says of each run that called out whose it was, and whom. */
  log: v.optional(v.boolean(), false),
  /**
   * Where "host:port" is to be found in place of where its name leads, as "address:port". It may
   * be in this machine, which no name may lead to.
   */
  connectTo: v.optional(v.record(hostShape, addressAndPortShape), {}),
});

const noEgressShape = v.pipe(
  v.literal("none", 'neither "none" nor a table, as { "hosts": ["*:443"] }'),
  v.transform((): v.InferInput<typeof egressTableShape> => ({ hosts: [] })),
  egressTableShape,
);

function isTable(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whom programs may call: "none", or a table. A union would not say what is wrong with one. */
const egressShape = v.optional(
  v.lazy((input) => isTable(input) ? egressTableShape : noEgressShape),
  {},
);

/** In one line, as it goes into a unit of systemd's, too. */
const listenShape = v.pipe(
  v.string(),
  v.regex(/^\S*:[0-9]{1,5}$/, 'not host:port, as "127.0.0.1:8402"'),
);

const providerFields = v.strictObject({
  /** ENS name under which the provider is found. */
  name: v.string(),
  /** The cold provider key's address: owns resolver and earnings. */
  address: addressShape,
  /** host:port to listen on; port 0 lets the system choose. */
  listen: v.optional(listenShape, "127.0.0.1:8402"),
  /** PEM files; without them plain HTTP, for loopback or behind a TLS proxy. */
  tls: v.optional(v.strictObject({ cert: v.string(), key: v.string() })),
  /** TLS with a certificate that is had and renewed by itself. */
  acme: acmeShape,
  /** Proxies before us whose word on who called counts: addresses, and ranges as 10.0.0.0/8. */
  trustedProxies: ipRangesShape,
  /** How long it goes on after a stop, and says at /readyz that it ends, for who sends it calls. */
  drainSeconds: v.optional(numberWithin(0, 300), 0),
  /** Who may read /metrics; by default this machine alone. */
  metricsReaders: v.optional(ipRangesShape, ["127.0.0.0/8", "::1"]),
  /** The field that they say it by; a proxy passes others on as strangers sent them. */
  forwardedField: v.optional(v.picklist(["x-forwarded-for", "forwarded"]), "x-forwarded-for"),
  /** The URL that callers use, as in the resolver's `getWebDomain()`. */
  webDomain: httpUrlShape,
  /** Price of one credit, USDC base units. */
  price: usdcUnitsShape,
  /**
   * How long deployments that were paid for before a change of the price keep what they paid:
   * "forever", seconds after each change, or until a time.
   */
  keepPrice: v.exactOptional(keepTimeShape),
  /** How long those whose terms are not listed any more go on. */
  keepTerms: v.exactOptional(keepTimeShape),
  /** Of earlier releases: without `keepPrice`, its time is that. */
  oldPrice: v.exactOptional(v.strictObject({ price: usdcUnitsShape, until: timeShape })),
  /** Terms texts, newest first; a spec may have signed any of them. */
  terms: v.pipe(v.array(v.string()), v.minLength(1, "list at least one terms file")),
  /** Where the ledger, the content cache and unpacked programs live. */
  stateDir: v.string(),
  /** The operator key and the age identities, mode 0600. */
  keyFile: v.string(),
  settlement: v.optional(
    v.strictObject({
      /** "batch" settles in the background, "each" mines `consume` before every run. */
      mode: v.optional(v.picklist(["batch", "each"]), "batch"),
      /** Seconds between two batches while something is due. */
      intervalSeconds: v.optional(positive(86_400), 60),
      /** Settle at once when this much is due, USDC base units. */
      amount: v.optional(usdcUnitsShape, "1000000"),
      /** How much of a block's gas settlement may fill, percent. */
      blockGasPercent: v.optional(positive(100), 50),
      /** Which block an allowance must stand in to count. */
      finality: v.optional(v.picklist(["latest", "safe", "finalized"]), "latest"),
      /** While the chain is out of reach, serve up to this much unsettled, USDC base units. */
      offlineAmount: v.optional(usdcUnitsShape, "1000000"),
      /** Milliseconds between two looks at the chain. */
      pollMs: v.optional(positive(600_000), 2_000),
      /**
       * A chain whose newest block is older is out of reach, seconds: its node stands still. By
       * default 120, and on a local test chain, whose blocks come with transactions, any.
       */
      headSecondsMax: v.optional(positive(86_400)),
      /** A transaction that is not mined after so many seconds gets a higher fee. */
      stuckSeconds: v.optional(positive(3_600), 30),
    }),
    {},
  ),
  /**
   * How much of the ledger's journal is kept; docs/provider.md has the figures. With 3 million rows
   * the table takes 0.5 to 1 GB. 14 GB of segments are 5 to 10 thousand million rows of calls that
   * their owners pay: a year of 100 calls a second. A receipt takes 70 to 100 bytes, for its two
   * hashes can't be made smaller.
   */
  ledger: v.optional(
    v.strictObject({
      /** The newest entries stay in the ledger's table; those before go into its archive. */
      rows: v.optional(numberWithin(100_000, 1_000_000_000), 3_000_000),
      /** Files of the archive; beyond it the oldest go, and only their sums are kept, */
      archiveGb: v.optional(gigabytes, 14),
      /** and those of their charges that have a receipt, up to so much. */
      receiptGb: v.optional(gigabytes, 2),
      postgres: postgresShape,
    }),
    {},
  ),
  /** What the operator pays for gas. */
  gas: v.optional(
    v.strictObject({
      /** What one of the chain's own coins is worth, USDC base units; by default by the chain. */
      coinPrice: v.optional(usdcUnitsShape),
      /** The most that is paid for a unit of gas, gwei. */
      maxFeeGwei: v.optional(v.pipe(v.number(), v.gtValue(0), v.maxValue(1_000_000)), 1_000),
    }),
    {},
  ),
  /** Relaying a payer's signed deposit at the operator's gas. */
  onboarding: v.optional(
    v.strictObject({
      enabled: v.optional(v.boolean(), true),
      /** The least that a deposit must newly lock for this provider, USDC base units. */
      minimum: v.optional(usdcUnitsShape, "1000000"),
      /** The most that the gas of one may cost, USDC base units; when it is dearer none is sent. */
      costMax: v.optional(usdcUnitsShape, "50000"),
      /** Deposits relayed in a minute. */
      perMinute: v.optional(positive(10_000), 10),
    }),
    {},
  ),
  /** Relaying a payer's signed message (revoke, reclaim, withdraw …) at the operator's gas. */
  relay: v.optional(
    v.strictObject({
      /** By default on, but for Ethereum, where a message's gas costs more than the fee. */
      enabled: v.optional(v.boolean()),
      /**
       * The least that one costs its payer, USDC base units: twice its gas when that is more. It
       * goes to the provider's free balance.
       */
      fee: v.optional(usdcUnitsShape, "10000"),
      /** Messages relayed in a minute. */
      perMinute: v.optional(positive(10_000), 10),
    }),
    {},
  ),
  /** x402's `exact`: a payer's USDC straight to the provider, for one call. */
  exact: v.optional(
    v.strictObject({
      enabled: v.optional(v.boolean(), true),
      /** The least that a call costs so, USDC base units: each is a transaction of its own. */
      minimum: v.optional(usdcUnitsShape, "10000"),
    }),
    {},
  ),
  egress: egressShape,
  /** What owners may have kept here. */
  ipfs: ipfsShape,
  /** Which of a provider's several nodes this is. */
  fleet: fleetShape,
  names: namesShape,
  sandbox: v.optional(
    v.strictObject({
      launcher: v.optional(v.picklist(["bwrap", "nsjail"]), "bwrap"),
      /** Where the launcher is; by default in /usr/bin. */
      launcherPath: v.optional(v.pipe(v.string(), v.startsWith("/", "not an absolute path"))),
      /**
       * First of the 4096 uids (and gids) that programs run as. By default a provider started by
       * root uses 1800000000 on, and any other its own; one with ambient capabilities names it.
       */
      runUid: v.optional(positive(2 ** 31)),
      /** Runs at a time; by default what processors and memory have room for (`slotsFor`). */
      concurrency: v.optional(positive(4096)),
      /** Sandboxes open at once; by default as many as memory, descriptors and processes allow. */
      open: v.optional(positive(SANDBOXES_OPEN_MAX)),
      /** Sandboxes started before they are needed; 0: none is. */
      spares: v.optional(numberWithin(0, SPARES_MAX), SPARES_MAX),
      /** For each credit that a run takes. */
      timeoutMs: v.optional(positive(900_000), RUN_TIMEOUT_MS),
      /** Credits that one run may take; by default any number, or 1 where each is mined first. */
      credits: v.optional(positive(SPEC_CREDITS_MAX)),
      memoryMb: v.optional(positive(1_048_576), RUN_MEMORY_MB_MAX),
      /** Of all programs that are servers, at a time; 0: none may be deployed here. */
      instances: v.optional(numberWithin(0, 4_096), PROVIDER_INSTANCES_DEFAULT),
      /** An instance without a request for so many seconds ends. */
      instanceIdleSeconds: v.optional(positive(86_400), INSTANCE_IDLE_SECONDS_DEFAULT),
      /** A request's body, bytes. */
      requestBytes: v.optional(positive(2 ** 40), REQUEST_BYTES_DEFAULT),
      /** What a program may print for one answer, bytes. */
      responseBytes: v.optional(positive(2 ** 40), RESPONSE_BYTES_DEFAULT),
    }),
    {},
  ),
});

type ProviderFields = v.InferOutput<typeof providerFields>;

const providerShape = v.pipe(
  providerFields,
  v.forward(
    v.check(
      ({ settlement: { mode }, sandbox: { credits = 1 } }) => mode === "batch" || credits === 1,
      'more than 1 with settlement.mode "each", which mines one credit before each run',
    ),
    ["sandbox", "credits"],
  ),
  v.forward(v.check((all) => isSettledByBatches(all), ONE_NODE_SIGNS), ["settlement", "mode"]),
  v.forward(v.check((all) => isNodesBooks(all), BOOKS_OF_NODES), ["ledger", "postgres"]),
  v.forward(
    v.check(({ tls, acme }) => !tls || !acme, "provider.tls names a certificate already"),
    ["acme"],
  ),
  v.forward(
    v.check(
      ({ webDomain, acme }) => !acme || acmeDomainFault(webDomain) === null,
      (issue) => `${issue.input.webDomain} ${acmeDomainFault(issue.input.webDomain)}`,
    ),
    ["webDomain"],
  ),
  v.transform((fields) => ({
    ...fields,
    sandbox: { ...fields.sandbox, credits: creditsOf(fields) },
  })),
);

function creditsOf({ settlement: { mode }, sandbox: { credits } }: ProviderFields): number {
  return credits ?? (mode === "each" ? 1 : SPEC_CREDITS_MAX);
}

/** One URL, or a list of them. */
const rpcShape = v.pipe(
  v.union([v.string(), v.array(v.string())], "not a URL or a list of URLs"),
  v.transform((urls) => [urls].flat()),
  v.array(httpUrlShape),
  v.minLength(1, "list at least one URL"),
);

const configShape = v.strictObject({
  /**
   * JSON-RPC endpoints of the chain that holds escrow and names; with two or more, what money
   * depends on must be said alike by two.
   */
  rpc: v.optional(rpcShape),
  /** Trustless gateways in the order they are asked. */
  gateways: v.optional(v.array(httpUrlShape), []),
  kubo: v.optional(v.strictObject({ url: httpUrlShape, token: v.optional(v.string()) })),
  publish: v.optional(publishShape, []),
  /** Contracts by chain id; what stands here wins over the addresses that ship with us. */
  contracts: v.optional(v.record(v.string(), contractsShape), {}),
  provider: v.optional(providerShape),
});

/** What a configuration names on one chain. */
export type ContractsConfig = v.InferOutput<typeof contractsShape>;
/** The contracts that are used on one chain. */
export type Contracts = ContractsConfig & { escrow: Address; usdc: Address };
/** What stands before the contracts that are known; undefined strikes one out. */
export type ContractOverrides = { readonly [K in keyof Contracts]?: Contracts[K] | undefined };
export type ProviderConfig = v.InferOutput<typeof providerShape>;
/** An earlier price and until when it is still taken, Unix seconds. */
export type OldPrice = NonNullable<ProviderConfig["oldPrice"]>;
export type Config = v.InferOutput<typeof configShape> & { home: string };
/** The file as it is written: what it leaves out has its default. */
export type ConfigJson = v.InferInput<typeof configShape>;

/** A fresh configuration for `home`, as if its file were empty. */
export function emptyConfig(home: string): Config {
  return parseConfig({}, home);
}

/**
 * Checks a parsed config file; unknown fields are refused.
 * @throws KhachapuriError `invalid_config` that names the field
 */
export function parseConfig(value: unknown, home: string): Config {
  return { ...parseShape(configShape, value, join(home, "config.json"), "invalid_config"), home };
}

/**
 * Reads `<home>/config.json`; a missing file is an empty configuration.
 * @throws KhachapuriError `invalid_config`
 */
export async function readConfig(home: string): Promise<Config> {
  const json = await readJsonFile(join(home, "config.json"));
  return json === undefined ? emptyConfig(home) : parseConfig(json, home);
}

/** How long a provider keeps what its changes end. */
export function keepOf({ keepPrice, keepTerms, oldPrice }: KeepFields): Keep {
  const untilThen = oldPrice ? { until: oldPrice.until } : KEEP_NOTHING;
  return { price: keepPrice ?? untilThen, terms: keepTerms ?? KEEP_NOTHING };
}

type KeepFields = Pick<ProviderConfig, "keepPrice" | "keepTerms" | "oldPrice">;

const WEI_OF_GWEI = 1e9;

/** The most that is paid for a unit of gas, wei. */
export function feeMaxOf({ gas: { maxFeeGwei } }: ProviderConfig): bigint {
  return BigInt(Math.round(maxFeeGwei * WEI_OF_GWEI));
}

/** Paths in the config file are relative to its folder. */
export function resolveFromHome(config: Pick<Config, "home">, path: string): string {
  return isAbsolute(path) ? path : join(config.home, path);
}

/** @throws KhachapuriError `invalid_config` when this machine is not set up as a provider. */
export function requireProvider(config: Config): ProviderConfig {
  if (config.provider) return config.provider;
  throw new KhachapuriError("invalid_config", `no provider section in ${config.home}/config.json`, {
    hints: [
      "of a provider that `up` set up: --home /var/lib/khachapuri",
      "else run `khachapuri init --provider NAME` on this machine first",
    ],
  });
}
