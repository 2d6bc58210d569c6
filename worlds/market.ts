/**
 * Everything a paid call needs, for real and on loopback: a chain with USDC and the escrow, an
 * IPFS gateway, a provider that serves, an owner and a caller who have allowed it credits.
 */
import { dirname, join } from "node:path";
import type { LocalAccount } from "viem";
import { NEVER, setOperator } from "../lib/chain/escrow_provider.ts";
import { formatCid } from "../lib/cid.ts";
import { type Config, parseConfig } from "../lib/config.ts";
import { importFile } from "../lib/ipfs/dag.ts";
import { encodePaymentHeader } from "../lib/payment_header.ts";
import {
  deploymentLane,
  type Permit,
  permitToJson,
  signPermit,
  UINT128_MAX,
  UINT64_MAX,
} from "../lib/permit.ts";
import { type RunningProvider, startProvider } from "../lib/provider/door/serve.ts";
import type { Recorded } from "../lib/provider/ledger/codec.ts";
import { type JournalFilter, readJournal } from "../lib/provider/ledger/store.ts";
import { packProgram } from "../lib/spec/pack.ts";
import { sealSpec } from "../lib/spec/envelope.ts";
import { generateIdentity, recipientOf, writeKeyFile } from "../lib/spec/keys.ts";
import { newDeploymentId, parseUnsignedSpec, type UnsignedSpec } from "../lib/spec/schema.ts";
import { signSpec } from "../lib/spec/signature.ts";
import { termsHash } from "../lib/spec/terms.ts";
import {
  type EscrowChain,
  fund,
  PRICE,
  startEscrowChain,
  THAWING_SECONDS,
} from "./chain/escrow_chain.ts";
import { privateKeyOf } from "./chain/people.ts";
import { type HeardLog, hearLog } from "./heard_log.ts";
import { chainConfig, makeFolder } from "./home.ts";
import { startGateway, type TestGateway } from "./ipfs/gateway.ts";

export const TERMS = new TextEncoder().encode("Be kind. No refunds for kindness.\n");

export interface Program {
  /** Path to content; every file is executable. */
  readonly files: Readonly<Record<string, string | Uint8Array>>;
  /** Spec fields that replace the defaults; with `program` nothing is packed. */
  readonly fields?: Partial<Record<keyof UnsignedSpec, unknown>>;
  /** Who deploys it and signs, the market's owner unless given. */
  readonly owner?: LocalAccount;
}

export interface Market extends EscrowChain, Omit<HeardLog, "log"> {
  readonly gateway: TestGateway;
  /** The provider's home. */
  readonly home: string;
  readonly config: Config;
  readonly recipient: string;
  /** The running provider; replaced by `restart`. */
  provider: RunningProvider;
  /**
   * Stops the provider, which waits until every call has ended, also those whose caller has gone,
   * and starts it again with these provider settings changed.
   */
  restart(settings?: Record<string, unknown>): Promise<void>;
  /** Publishes a zip and returns its cid. */
  publish(bytes: Uint8Array): Promise<string>;
  /** A signed spec for these files; not yet sealed. */
  spec(program: Program): Promise<UnsignedSpec>;
  /** Publishes program and spec; returns the deployment cid. */
  deploy(program: Program): Promise<string>;
  /** Signs and publishes a spec as it stands; the market's owner signs unless another is given. */
  publishSpec(spec: UnsignedSpec, owner?: LocalAccount): Promise<string>;
  /** `PAYMENT-SIGNATURE` of a payer for its own lane. */
  pay(payer: LocalAccount, changes?: Partial<Permit>): Promise<Record<string, string>>;
  call(cid: string, init?: RequestInit): Promise<Response>;
  /** What the provider's ledger says, oldest first. */
  entries(filter?: JournalFilter): Recorded[];
}

export interface MarketOptions {
  /** Provider settings that replace the defaults. */
  settings?: Record<string, unknown>;
  /** Credits that owner and payer allow. */
  credits?: bigint;
  /** In place of the market's own gateway. */
  gateways?: string[];
  /** Asked before the market's own gateway. */
  alsoGateways?: string[];
  /** The provider talks to this RPC, or these, instead (a proxy that misbehaves). */
  rpcOf?: (rpc: string) => string | string[];
  blockTimeSeconds?: number;
  /** 31337 unless given. */
  chainId?: number;
  /** The provider's clock, Unix ms. */
  now?: () => number;
}

const LANE = `0x${"1a".repeat(32)}` as const;

/** Starts it all; dispose of it to end it all. */
export async function startMarket(options: MarketOptions = {}): Promise<Market> {
  await using stack = new AsyncDisposableStack();
  const { blockTimeSeconds, chainId } = options;
  const money = stack.use(
    await startEscrowChain({
      ...(blockTimeSeconds === undefined ? {} : { blockTimeSeconds }),
      ...(chainId === undefined ? {} : { chainId }),
    }),
  );
  const gateway = stack.use(await startGateway());
  const { dir: home } = stack.use(await makeFolder());
  const { chain, escrow, accounts } = money;
  await setOperator(chain, accounts.provider, escrow, accounts.operator.address, {
    expiry: NEVER,
    dailyCap: 0n,
  });
  for (const account of [accounts.owner, accounts.payer]) {
    await fund(money, account, options.credits);
  }
  const recipient = await writeProviderFiles(home, accounts.operator);
  const { log, ...heard } = hearLog();
  const { now = Date.now } = options;
  const start = async (settings?: Record<string, unknown>) => {
    const config = await configure({ ...money, gateway, home }, options, settings);
    return { config, provider: await startProvider(config, { log, now, graceMs: 1_000 }) };
  };
  const facts = { ...money, gateway, home, recipient };
  const market: Market = {
    ...facts,
    ...heard,
    ...await start(),
    ...developer(facts),
    async restart(settings) {
      await market.provider.stop();
      market.provider = (await start(settings)).provider;
    },
    async pay(payer, changes = {}) {
      const permit = await signPermit(payer, { chainId: chain.chainId, escrow }, {
        payer: payer.address,
        provider: accounts.provider.address,
        lane: LANE,
        price: PRICE,
        credits: 100n,
        deadline: UINT64_MAX,
        epoch: 0,
        ...changes,
      });
      return paymentHeader(market, { ...permit, ...changes });
    },
    call: (cid, init) => fetch(`${market.provider.url}/${cid}`, init),
    entries: (filter = {}) => readJournal(join(home, "state", "book", "ledger.db"), filter),
    async [Symbol.asyncDispose]() {
      await market.provider.stop();
      await owned.disposeAsync();
    },
  };
  const owned = stack.move();
  return market;
}

/** Keys and terms; returns the recipient that specs are sealed to. */
async function writeProviderFiles(
  home: string,
  operator: EscrowChain["accounts"]["operator"],
): Promise<string> {
  const identity = await generateIdentity("pq");
  const account = privateKeyOf(operator);
  await writeKeyFile(join(home, "keys.json"), { version: 1, account, identities: [identity] });
  await Deno.writeFile(join(home, "terms.txt"), TERMS);
  return await recipientOf(identity);
}

/** Writes the provider's config.json, where a provider of its own process finds it too. */
async function configure(
  market: Pick<Market, "gateway" | "home"> & EscrowChain,
  options: MarketOptions,
  settings: Record<string, unknown> = {},
): Promise<Config> {
  const { rpc, gateway, home, accounts } = market;
  const file = {
    ...chainConfig(market),
    rpc: options.rpcOf?.(rpc) ?? rpc,
    gateways: options.gateways ?? [...(options.alsoGateways ?? []), gateway.url],
    kubo: { url: gateway.kuboUrl },
    provider: {
      name: "provider.test",
      address: accounts.provider.address,
      listen: "127.0.0.1:0",
      webDomain: "http://provider.test",
      price: String(PRICE),
      terms: ["terms.txt"],
      stateDir: "state",
      keyFile: "keys.json",
      settlement: { mode: "each" },
      ...options.settings,
      ...settings,
    },
  };
  await Deno.writeTextFile(join(home, "config.json"), JSON.stringify(file));
  return parseConfig(file, home);
}

/** The header for a permit, offered as this market's provider asks. */
export function paymentHeader(market: Market, permit: Permit): Record<string, string> {
  const { chain, escrow, usdc } = market;
  const header = encodePaymentHeader({
    permit,
    accepted: {
      chainId: chain.chainId,
      escrow,
      asset: usdc,
      payTo: permit.provider,
      pricePerCredit: PRICE,
      maxTimeoutSeconds: 15,
      thawingPeriodSeconds: Number(THAWING_SECONDS),
    },
  });
  return { "PAYMENT-SIGNATURE": header };
}

type Facts = Pick<Market, "chain" | "gateway" | "escrow" | "accounts" | "recipient">;

/** What a developer does with programs and specs. */
function developer({ chain, gateway, escrow, accounts, recipient }: Facts) {
  async function publish(bytes: Uint8Array): Promise<string> {
    const dag = importFile(bytes);
    await gateway.put(dag.blocks);
    return formatCid(dag.root);
  }

  async function spec(
    { files, fields = {}, owner = accounts.owner }: Program,
  ): Promise<UnsignedSpec> {
    const { provider } = accounts;
    const id = newDeploymentId();
    const entry = { address: provider.address, chainId: chain.chainId, escrow };
    const permit = await signPermit(owner, entry, {
      payer: owner.address,
      provider: provider.address,
      lane: deploymentLane(id),
      price: PRICE,
      credits: UINT128_MAX,
      deadline: UINT64_MAX,
      epoch: 0,
    });
    const packed = async () => await publish(await packFiles(files));
    return parseUnsignedSpec({
      version: 1,
      id,
      program: fields.program ?? { cid: await packed(), entrypoint: "./main", args: [] },
      interface: "curl",
      env: {},
      limits: { timeoutMs: 5_000, memoryMb: 256, concurrency: 8, ownerCreditsPerMinute: 600 },
      egress: [],
      access: "public",
      owner: owner.address,
      providers: [{ ...entry, terms: termsHash(TERMS), permit: permitToJson(permit) }],
      ...fields,
    });
  }

  async function publishSpec(
    unsigned: UnsignedSpec,
    owner: LocalAccount = accounts.owner,
  ): Promise<string> {
    const signed = await signSpec(unsigned, owner);
    return await publish(await sealSpec(signed, [recipient]));
  }

  return {
    publish,
    spec,
    publishSpec,
    deploy: async (program: Program) => await publishSpec(await spec(program), program.owner),
  };
}

/** The zip of a program of these files; every file is executable. */
export async function packFiles(files: Program["files"]): Promise<Uint8Array> {
  const dir = await Deno.makeTempDir();
  try {
    for (const [path, content] of Object.entries(files)) {
      const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
      await Deno.mkdir(dirname(join(dir, path)), { recursive: true });
      await Deno.writeFile(join(dir, path), bytes, { mode: 0o755 });
    }
    return await packProgram(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}
