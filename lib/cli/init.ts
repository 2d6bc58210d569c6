/** `init`: keys and configuration of a new user or provider, never over existing ones. */
import { join, resolve } from "node:path";
import { getAddress, isAddress } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { parseUsdc } from "../chain/usdc.ts";
import { parseName } from "../chain/name.ts";
import { type ConfigJson, parseConfig } from "../config.ts";
import { KhachapuriError } from "../errors.ts";
import { createPrivateJsonFile } from "../home_file.ts";
import { generateIdentity, recipientOf, writeKeyFile } from "../spec/keys.ts";
import { isConfidential } from "../web_url.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { namedContracts } from "./context.ts";
import { systemdUnit, TERMS_TEMPLATE } from "./init_files.ts";

const KEY_NAME = "provider-key.json";

export const init = defineCommand({
  usage: "[--provider NAME --domain URL --price USDC --address ADDRESS|new]",
  details: [
    "Without --provider: an account to pay and deploy with. With it: the operator key and the " +
    "age identity of this machine, a config.json, and a terms.txt for you to edit.",
    "The provider key owns the name and the earnings. Give its address, so that this machine " +
    "never sees it; --address new makes one here for you to move away.",
    "--rpc, --gateway, --kubo, --escrow and --registry are recorded in config.json. Nothing that " +
    "exists is overwritten.",
  ],
  examples: [
    "init --rpc https://rpc.example",
    "init --provider paolo.eth --domain https://paolo.example --price 0.001 --address 0x7099…79C8",
  ],
  options: {
    provider: { type: "string", value: "NAME", description: "ENS name of the provider to set up" },
    domain: { type: "string", value: "URL", description: "URL that callers will use" },
    price: { type: "string", value: "USDC", description: "price of one credit, e.g. 0.001" },
    address: {
      type: "string",
      value: "ADDRESS",
      description: "the provider key's address, or new",
    },
    listen: { type: "string", value: "HOST:PORT", description: "default 127.0.0.1:8402" },
    x25519: { type: "boolean", description: "a classic age identity, not a post-quantum one" },
    systemd: { type: "string", value: "FILE", description: "write the systemd unit there" },
  },
  async run(context, { options }) {
    if (options.provider === undefined) return await initUser(context);
    const { provider, domain, price, address } = options;
    if (domain === undefined || price === undefined || address === undefined) {
      throw new KhachapuriError("usage", "--provider needs --domain, --price and --address", {
        hints: ["see khachapuri init --help"],
      });
    }
    await initProvider(context, { ...options, provider, domain, price, address });
  },
});

async function initUser(context: CommandContext): Promise<void> {
  const { out, home, keysPath } = context;
  const key = generatePrivateKey();
  const configPath = join(home, "config.json");
  await assertFree([keysPath, configPath]);
  const config = await configJson(context, {});
  await writeKeyFile(keysPath, { version: 1, account: key });
  // Private, as it may come to hold a publishing token.
  await createPrivateJsonFile(configPath, config);
  const { address } = privateKeyToAccount(key);
  out.result({ address, keys: keysPath, config: configPath }, [
    `address  ${address}`,
    `keys     ${keysPath} (mode 0600; make a copy, nobody can restore it)`,
    `config   ${configPath}`,
    "",
    "next:",
    ...missingPlaces(context, ["rpc"]),
    "  send USDC and a little of the chain's coin to the address",
    "  khachapuri deposit AMOUNT",
    "  khachapuri allow NAME --credits N",
  ]);
}

interface ProviderOptions {
  provider: string;
  domain: string;
  price: string;
  address: string;
  listen: string | undefined;
  x25519: boolean;
  systemd: string | undefined;
}

async function initProvider(context: CommandContext, options: ProviderOptions): Promise<void> {
  const { out, home, keysPath } = context;
  const path = (name: string) => join(home, name);
  const unitPath = options.systemd === undefined ? null : resolve(options.systemd);
  const isNewKey = options.address === "new";
  const name = parseName(options.provider).text;
  const price = parseUsdc(options.price);
  const webDomain = checkedDomain(options.domain);
  const coldKey = isNewKey ? generatePrivateKey() : null;
  const address = coldKey ? privateKeyToAccount(coldKey).address : checkedAddress(options.address);
  await assertFree([
    keysPath,
    path("config.json"),
    path("terms.txt"),
    ...(coldKey ? [path(KEY_NAME)] : []),
    ...(unitPath ? [unitPath] : []),
  ]);

  const config = await configJson(context, {
    provider: {
      name,
      address,
      ...(options.listen === undefined ? {} : { listen: options.listen }),
      webDomain,
      price: String(price),
      terms: ["terms.txt"],
      stateDir: "state",
      keyFile: keysPath === path("keys.json") ? "keys.json" : keysPath,
    },
  });
  const operatorKey = generatePrivateKey();
  const identity = await generateIdentity(options.x25519 ? "x25519" : "pq");
  await writeKeyFile(keysPath, { version: 1, account: operatorKey, identities: [identity] });
  if (coldKey) await writeKeyFile(path(KEY_NAME), { version: 1, account: coldKey });
  await createPrivateJsonFile(path("config.json"), config);
  await Deno.writeTextFile(path("terms.txt"), TERMS_TEMPLATE(name), { createNew: true });
  // Started by root, the provider runs programs as another uid, which must pass through its home.
  if (Deno.uid() === 0) await Deno.chmod(home, 0o711);
  const unit = systemdUnit(home);
  if (unitPath) await Deno.writeTextFile(unitPath, unit, { createNew: true });

  const operator = privateKeyToAccount(operatorKey).address;
  const recipient = await recipientOf(identity);
  out.result({ name, address, operator, recipient, home, ...(unitPath ? {} : { unit }) }, [
    `provider  ${name}, key ${address}`,
    `operator  ${operator} (this machine's hot key: settles, never collects)`,
    `home      ${home}`,
    ...(unitPath
      ? [`unit      ${unitPath}`]
      : ["", "systemd unit (or again with --systemd FILE):", unit]),
    "",
    ...nextSteps(context, coldKey ? path(KEY_NAME) : null),
  ]);
  if (coldKey) {
    out.note(
      `WARNING: ${path(KEY_NAME)} owns your name and your earnings. Move it to another machine ` +
        "and delete it here before you take customers.",
    );
  }
}

/** The step of writing into config.json what no flag gave, as `init` never writes it again. */
function missingPlaces(
  { flags, home }: CommandContext,
  needed: readonly ("rpc" | "gateways")[],
): string[] {
  const given = { rpc: flags.rpc.length > 0, gateways: flags.gateway.length > 0 };
  const missing = needed.filter((field) => !given[field]).map((field) => `"${field}"`);
  const file = join(home, "config.json");
  return missing.length === 0 ? [] : [`  set ${missing.join(" and ")} in ${file}`];
}

function nextSteps(context: CommandContext, coldKeyPath: string | null): string[] {
  const { home } = context;
  const keys = `--keys ${coldKeyPath ?? "PROVIDER-KEY-FILE"}`;
  return [
    "next:",
    ...missingPlaces(context, ["rpc", "gateways"]),
    `  edit ${join(home, "terms.txt")}`,
    "  give the provider key and the operator some of the chain's coin: one registers, one settles",
    `  khachapuri register --home ${home} ${keys}`,
    `  khachapuri doctor --home ${home}`,
    `  khachapuri serve --home ${home}`,
  ];
}

/**
 * The configuration that the flags make. It is checked before any key is written, so that a wrong
 * flag leaves nothing behind.
 * @throws KhachapuriError `usage`, `invalid_config`
 */
async function configJson(
  context: CommandContext,
  sections: Pick<ConfigJson, "provider">,
): Promise<ConfigJson> {
  const { flags, home } = context;
  const contracts = await givenContracts(context);
  const config = {
    ...(flags.rpc.length === 0
      ? {}
      : { rpc: flags.rpc.length > 1 ? [...flags.rpc] : flags.rpc[0] }),
    ...(flags.gateway.length === 0 ? {} : { gateways: [...flags.gateway] }),
    ...(flags.kubo === undefined ? {} : { kubo: { url: flags.kubo } }),
    ...(contracts === null ? {} : { contracts }),
    ...sections,
  };
  parseConfig(config, home);
  return config;
}

/** The contracts that flags name, checked, under the id of the chain that `--rpc` reaches. */
async function givenContracts({ flags, chain, contracts }: CommandContext) {
  const { escrow, registry } = await namedContracts(flags);
  if (!escrow && !registry) return null;
  await contracts();
  const named = { ...(escrow ? { escrow } : {}), ...(registry ? { registry } : {}) };
  return { [String((await chain()).chainId)]: named };
}

/**
 * @throws KhachapuriError `invalid_input` when one of the files exists: a home made of old and new
 *   files would look whole, with keys and configuration that do not belong together
 */
async function assertFree(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    const isTaken = await Deno.lstat(path).then(() => true, (error) => {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    });
    if (!isTaken) continue;
    throw new KhachapuriError("invalid_input", `${path} exists and is never overwritten`, {
      hints: ["choose another --home, edit what is there, or move the file away"],
    });
  }
}

/** @throws KhachapuriError `usage` unless it is https, or http to this machine */
function checkedDomain(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isBare = url?.username === "" && url.search === "" && url.hash === "";
  if (isBare && isConfidential(url)) return url.href.replace(/\/$/, "");
  throw new KhachapuriError("usage", `--domain is not an https URL: ${text}`, {
    hints: ["callers send permits, which are as good as money, over https only"],
  });
}

function checkedAddress(text: string): `0x${string}` {
  if (isAddress(text)) return getAddress(text);
  throw new KhachapuriError("usage", `--address is neither an Ethereum address nor "new": ${text}`);
}
