/**
 * Everything a paid call needs, for real and on loopback: a chain with USDC and the escrow, an
 * IPFS gateway, a provider that serves, an owner and a caller who have allowed it credits.
 */
import { join } from "node:path";
import { bytesToHex, type LocalAccount } from "viem";
import { allow, deposit, setOperator } from "../lib/chain/escrow.ts";
import { type Chain, connect } from "../lib/chain/client.ts";
import { deployContracts } from "../lib/chain/deploy.ts";
import { formatCid } from "../lib/cid.ts";
import { type Config, parseConfig } from "../lib/config.ts";
import { importFile } from "../lib/ipfs/dag.ts";
import { type Log, silentLog } from "../lib/log.ts";
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
import { packProgram } from "../lib/spec/archive.ts";
import { sealSpec } from "../lib/spec/envelope.ts";
import { generateIdentity, recipientOf, writeKeyFile } from "../lib/spec/keys.ts";
import { newDeploymentId, parseUnsignedSpec, type UnsignedSpec } from "../lib/spec/schema.ts";
import { signSpec } from "../lib/spec/signature.ts";
import { termsHash } from "../lib/spec/terms.ts";
import { anvilAccount, startAnvil } from "./chain/anvil.ts";
import { startGateway, type TestGateway } from "./ipfs/gateway.ts";
import { deployUsdc, mintUsdc } from "./chain/usdc.ts";

export const TERMS = new TextEncoder().encode("Be kind. No refunds for kindness.\n");
export const PRICE = 1_000n;
export const THAWING_SECONDS = 3_600n;
/** 50 USDC; more when more credits are allowed than it pays for. */
const LEAST_DEPOSIT = 50_000_000n;

export interface Program {
  /** Path to content; every file is executable. */
  readonly files: Readonly<Record<string, string | Uint8Array>>;
  /** Spec fields that replace the defaults. */
  readonly fields?: Partial<Record<keyof UnsignedSpec, unknown>>;
}

export interface Market extends AsyncDisposable {
  readonly rpc: string;
  readonly chain: Chain;
  readonly gateway: TestGateway;
  readonly escrow: `0x${string}`;
  readonly usdc: `0x${string}`;
  readonly registry: `0x${string}`;
  readonly home: string;
  readonly config: Config;
  readonly accounts: Accounts;
  readonly recipient: string;
  /** The running provider; replaced by `restart`. */
  provider: RunningProvider;
  /** Stops the provider and starts it again with these provider settings changed. */
  restart(settings?: Record<string, unknown>): Promise<void>;
  /** Publishes a zip and returns its cid. */
  publish(bytes: Uint8Array): Promise<string>;
  /** A signed spec for these files; not yet sealed. */
  spec(program: Program): Promise<UnsignedSpec>;
  /** Publishes program and spec; returns the deployment cid. */
  deploy(program: Program): Promise<string>;
  /** Signs and publishes a spec as it stands. */
  publishSpec(spec: UnsignedSpec): Promise<string>;
  /** `PAYMENT-SIGNATURE` of a payer for its own lane. */
  pay(payer: LocalAccount, changes?: Partial<Permit>): Promise<Record<string, string>>;
  call(cid: string, init?: RequestInit): Promise<Response>;
  stopChain(): Promise<void>;
}

export interface Accounts {
  deployer: LocalAccount;
  provider: LocalAccount;
  operator: LocalAccount;
  owner: LocalAccount;
  payer: LocalAccount;
  stranger: LocalAccount;
}

export interface MarketOptions {
  log?: Log;
  /** Provider settings that replace the defaults. */
  settings?: Record<string, unknown>;
  /** Credits that owner and payer allow. */
  credits?: bigint;
  /** In place of the market's own gateway. */
  gateways?: string[];
  /** Asked before the market's own gateway. */
  alsoGateways?: string[];
  /** The provider talks to this RPC instead (a proxy that misbehaves). */
  rpcOf?: (rpc: string) => string;
  blockTimeSeconds?: number;
}

const LANE = `0x${"1a".repeat(32)}` as const;

/** Starts it all; dispose of it to end it all. */
export async function startMarket(options: MarketOptions = {}): Promise<Market> {
  await using stack = new AsyncDisposableStack();
  const { blockTimeSeconds } = options;
  const anvil = stack.use(await startAnvil(blockTimeSeconds ? { blockTimeSeconds } : {}));
  const gateway = stack.use(await startGateway());
  const home = await Deno.makeTempDir({ prefix: "khachapuri-" });
  stack.defer(() => Deno.remove(home, { recursive: true }));
  // The run uid enters unpacked programs below it.
  await Deno.chmod(home, 0o711);

  const chain = await connect(anvil.url);
  const accounts = cast();
  const usdc = await deployUsdc(chain, accounts.deployer);
  const { escrow, registry } = await deployContracts(chain, accounts.deployer, {
    usdc,
    thawingPeriodSeconds: THAWING_SECONDS,
  });
  await setOperator(chain, accounts.provider, escrow, accounts.operator.address, true);
  for (const account of [accounts.owner, accounts.payer]) {
    await fund({ chain, escrow, usdc, accounts }, account, options.credits);
  }

  const identity = await generateIdentity("pq");
  const recipient = await recipientOf(identity);
  const operatorKey = privateKeyOf(2);
  await writeKeyFile(join(home, "keys.json"), {
    version: 1,
    account: operatorKey,
    identities: [identity],
  });
  await Deno.writeFile(join(home, "terms.txt"), TERMS);
  const configure = async (settings: Record<string, unknown> = {}) => {
    const file = {
      rpc: options.rpcOf?.(anvil.url) ?? anvil.url,
      gateways: options.gateways ?? [...(options.alsoGateways ?? []), gateway.url],
      kubo: { url: gateway.kuboUrl },
      contracts: { [chain.chainId]: { escrow, usdc } },
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
    // Where a provider of its own process finds it too.
    await Deno.writeTextFile(join(home, "config.json"), JSON.stringify(file));
    return parseConfig(file, home);
  };
  const log = options.log ?? silentLog;
  const config = await configure();
  const provider = await startProvider(config, { log, graceMs: 1_000 });
  const contracts = { escrow, usdc, registry };
  const facts = { rpc: anvil.url, chain, gateway, ...contracts, home, config, accounts, recipient };
  const market: Market = {
    ...facts,
    provider,
    ...deployer({ ...facts }),
    async restart(settings) {
      await market.provider.stop();
      market.provider = await startProvider(await configure(settings), { log, graceMs: 1_000 });
    },
    async pay(payer, changes = {}) {
      const permit = await signPermit(payer, { chainId: chain.chainId, escrow }, {
        payer: payer.address,
        provider: accounts.provider.address,
        lane: LANE,
        price: PRICE,
        credits: 100n,
        deadline: UINT64_MAX,
        ...changes,
      });
      return paymentHeader(market, { ...permit, ...changes });
    },
    call: (cid, init) => fetch(`${market.provider.url}/${cid}`, init),
    stopChain: anvil.stop,
    async [Symbol.asyncDispose]() {
      await market.provider.stop();
      await owned.disposeAsync();
    },
  };
  const owned = stack.move();
  return market;
}

/** Gives `account` USDC, deposits half of it, and has it allow the provider `credits`. */
export async function fund(
  { chain, escrow, usdc, accounts }: Pick<Market, "chain" | "escrow" | "usdc" | "accounts">,
  account: LocalAccount,
  credits = 1_000n,
): Promise<void> {
  const deposited = credits * PRICE > LEAST_DEPOSIT ? credits * PRICE : LEAST_DEPOSIT;
  await mintUsdc(chain, accounts.deployer, usdc, account.address, 2n * deposited);
  await deposit(chain, account, escrow, usdc, deposited);
  const provider = accounts.provider.address;
  await allow(chain, account, escrow, { provider, pricePerCredit: PRICE, credits });
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

function deployer({ chain, gateway, escrow, accounts, recipient }: Facts) {
  async function publish(bytes: Uint8Array): Promise<string> {
    const dag = importFile(bytes);
    await gateway.put(dag.blocks);
    return formatCid(dag.root);
  }

  async function spec({ files, fields = {} }: Program): Promise<UnsignedSpec> {
    const { owner, provider } = accounts;
    const id = newDeploymentId();
    const entry = { address: provider.address, chainId: chain.chainId, escrow };
    const permit = await signPermit(owner, entry, {
      payer: owner.address,
      provider: provider.address,
      lane: deploymentLane(id),
      price: PRICE,
      credits: UINT128_MAX,
      deadline: UINT64_MAX,
    });
    return parseUnsignedSpec({
      version: 1,
      id,
      program: { cid: await publish(await zipOf(files)), entrypoint: "./main", args: [] },
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

  async function publishSpec(unsigned: UnsignedSpec): Promise<string> {
    const signed = await signSpec(unsigned, accounts.owner);
    return await publish(await sealSpec(signed, [recipient]));
  }

  return {
    publish,
    spec,
    publishSpec,
    deploy: async (program: Program) => await publishSpec(await spec(program)),
  };
}

async function zipOf(files: Program["files"]): Promise<Uint8Array> {
  const dir = await Deno.makeTempDir();
  try {
    for (const [path, content] of Object.entries(files)) {
      const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
      await Deno.writeFile(join(dir, path), bytes, { mode: 0o755 });
    }
    return await packProgram(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

function cast(): Accounts {
  const [deployer, provider, operator, owner, payer, stranger] = [0, 1, 2, 3, 4, 5].map(
    anvilAccount,
  );
  return {
    deployer: deployer!,
    provider: provider!,
    operator: operator!,
    owner: owner!,
    payer: payer!,
    stranger: stranger!,
  };
}

function privateKeyOf(index: number): `0x${string}` {
  return bytesToHex(anvilAccount(index).getHdKey().privateKey!);
}
