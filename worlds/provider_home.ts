/** A provider's home on disk, on a chain in memory and a small IPFS node: ready to serve. */
import { join } from "node:path";
import { privateKeyToAccount } from "viem/accounts";
import { formatRecords } from "../lib/chain/record.ts";
import { formatCid } from "../lib/cid.ts";
import { type Config, parseConfig } from "../lib/config.ts";
import { importFile } from "../lib/ipfs/dag.ts";
import { packProgram } from "../lib/spec/pack.ts";
import { sealSpec } from "../lib/spec/envelope.ts";
import { generateIdentity, recipientOf, writeKeyFile } from "../lib/spec/keys.ts";
import type { Spec } from "../lib/spec/schema.ts";
import { signSpec } from "../lib/spec/signature.ts";
import { termsHash } from "../lib/spec/terms.ts";
import { FAKE_ESCROW } from "./chain/fake_chain.ts";
import { ACCOUNTS, privateKeyOf } from "./chain/people.ts";
import { FAKE_REGISTRY, FAKE_USDC, serveChain, type ServedChain } from "./chain/served_chain.ts";
import { makeFolder } from "./home.ts";
import { startGateway, type TestGateway } from "./ipfs/gateway.ts";
import { sampleUnsigned } from "./spec/sample_spec.ts";

export const TERMS = new TextEncoder().encode("Be kind.\n");
const PRICE = "1000";

export interface ProviderHome extends AsyncDisposable {
  readonly dir: string;
  readonly chain: ServedChain;
  readonly gateway: TestGateway;
  readonly keysPath: string;
  readonly recipient: string;
  /** The configuration, with these provider settings changed. */
  config(settings?: Record<string, unknown>): Config;
  /** Writes the same to `config.json`, for a provider of its own process. */
  write(settings?: Record<string, unknown>): Promise<void>;
  /** Publishes a shell script and a deployment of it that the owner pays for, so many a minute. */
  deploy(script: string, ownerCreditsPerMinute?: number): Promise<Published>;
}

export interface Published {
  readonly cid: string;
  readonly spec: Spec;
}

/** Makes it; all is well there until a test says otherwise. */
export async function openProviderHome(): Promise<ProviderHome> {
  await using stack = new AsyncDisposableStack();
  const { provider, operator } = ACCOUNTS;
  const chain = stack.use(serveChain(provider.address));
  const gateway = stack.use(await startGateway());
  const { dir } = stack.use(await makeFolder());
  const keysPath = join(dir, "keys.json");
  const identity = await generateIdentity("x25519");
  const account = privateKeyOf(operator);
  await writeKeyFile(keysPath, { version: 1, account, identities: [identity] });
  await Deno.writeFile(join(dir, "terms.txt"), TERMS);
  const recipient = await recipientOf(identity);
  const { chainId } = chain.fake.chain;
  chain.answers.records = {
    address: provider.address,
    texts: formatRecords({
      webDomain: "https://provider.test",
      recipients: [recipient],
      price: BigInt(PRICE),
      terms: termsHash(TERMS),
      escrow: { chainId, address: FAKE_ESCROW },
    }),
  };
  const owned = stack.move();
  const file = (settings = {}) => ({
    rpc: chain.rpc,
    gateways: [gateway.url],
    contracts: {
      [String(chainId)]: { escrow: FAKE_ESCROW, usdc: FAKE_USDC, registry: FAKE_REGISTRY },
    },
    provider: {
      name: "provider.test",
      address: provider.address,
      listen: "127.0.0.1:0",
      webDomain: "https://provider.test/",
      price: PRICE,
      terms: ["terms.txt"],
      stateDir: "state",
      keyFile: "keys.json",
      ...settings,
    },
  });
  return {
    dir,
    chain,
    gateway,
    keysPath,
    recipient,
    config: (settings) => parseConfig(file(settings), dir),
    write: (settings) =>
      Deno.writeTextFile(join(dir, "config.json"), JSON.stringify(file(settings))),
    deploy: (script, perMinute) => deploy(gateway, recipient, script, perMinute),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function deploy(
  gateway: TestGateway,
  recipient: string,
  script: string,
  ownerCreditsPerMinute?: number,
): Promise<Published> {
  const publish = async (bytes: Uint8Array) => {
    const { root, blocks } = importFile(bytes);
    await gateway.put(blocks);
    return formatCid(root);
  };
  const program = { cid: await publish(await zipOf(script)), entrypoint: "./main", args: [] };
  const { provider } = ACCOUNTS;
  const owner = privateKeyToAccount(privateKeyOf(ACCOUNTS.owner));
  const { spec } = await sampleUnsigned({
    owner,
    provider: provider.address,
    escrow: FAKE_ESCROW,
    fields: { program },
  });
  const providers = spec.providers.map((entry) => ({ ...entry, terms: termsHash(TERMS) }));
  const limits = { ...spec.limits, ...(ownerCreditsPerMinute ? { ownerCreditsPerMinute } : {}) };
  const signed = await signSpec({ ...spec, providers, limits }, owner);
  return { cid: await publish(await sealSpec(signed, [recipient])), spec: signed };
}

async function zipOf(script: string): Promise<Uint8Array> {
  await using folder = await makeFolder();
  await Deno.writeTextFile(join(folder.dir, "main"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return await packProgram(folder.dir);
}
