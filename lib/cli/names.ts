/** `resolve`, `register`, `assign`: what a name says, saying it, and handing names out. */
import { type Address, type Hex, isAddressEqual, isHex } from "viem";
import { formatCaip10 } from "../caip.ts";
import { shippedOn } from "../chain/deployments.ts";
import { isOperator, NEVER, setOperator } from "../chain/escrow_provider.ts";
import { resolveProvider } from "../chain/ens.ts";
import { assignName, type ProviderRecords, registerProvider } from "../chain/registry.ts";
import { formatUsdc, parseUsdc } from "../chain/usdc.ts";
import { type Config, type ProviderConfig, requireProvider, resolveFromHome } from "../config.ts";
import { KhachapuriError } from "../errors.ts";
import { readBytes } from "../files.ts";
import { TERMS_BYTES_MAX } from "../limits.ts";
import { accountOf, readKeyFile, recipientOf } from "../spec/keys.ts";
import { assertOwnTerms, termsHash } from "../spec/terms.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { nameSource, registryOf } from "./name_source.ts";
import { addressOf, assertProviderKey } from "./parties.ts";
import { tellOfPrice, tellOfRise } from "./price_notice.ts";

export const resolve = defineCommand({
  usage: "NAME",
  details: [
    "What a provider's ENS name says: whom to pay, where to call, how to encrypt, the price.",
  ],
  examples: ["resolve paolo.eth", "resolve paolo.eth --json"],
  options: {},
  positionals: { min: 1, max: 1 },
  async run(context, { positionals }) {
    const [chain, names] = await Promise.all([context.chain(), nameSource(context)]);
    const record = await resolveProvider(chain, positionals[0]!, names);
    context.out.result(record, [
      `name      ${record.name}`,
      `address   ${record.address}`,
      `domain    ${record.webDomain}`,
      ...record.recipients.map((recipient) => `key       ${recipient}`),
      `price     ${formatUsdc(record.price)} USDC a credit`,
      `terms     ${record.terms ?? "none"}`,
      `escrow    ${record.escrow ? formatCaip10(record.escrow) : "not said"}`,
      `resolver  ${record.resolver}`,
    ]);
  },
});

export const register = defineCommand({
  usage: "[NAME] [--domain URL] [--age RECIPIENT] [--price USDC] [--terms FILE]",
  details: [
    "Makes NAME say where this provider is found, under which key and at what price: deploys a " +
    "resolver and registers it the first time, afterwards sets what changed. Signed by the " +
    "provider key, which owns the name; never by the operator's.",
    "On a provider's machine everything that is not given is taken from config.json, and the " +
    "operator key is approved to settle.",
    "Where the provider key is elsewhere, --print on the provider's machine tells the line to " +
    "paste there.",
    "A name whose records stand in a public resolver keeps it with --public-resolver.",
  ],
  examples: [
    "register --keys provider-key.json",
    "register --print",
    "register paolo.eth --domain https://paolo.example --price 0.001 --age age1pq1…",
    "register paolo.eth --public-resolver 0x2222…b9E3 --keys provider-key.json",
  ],
  options: {
    domain: { type: "string", value: "URL", description: "where calls go" },
    age: {
      type: "string",
      value: "RECIPIENT",
      multiple: true,
      description: "public key for specs; repeat for several",
    },
    price: { type: "string", value: "USDC", description: "of one credit, e.g. 0.001" },
    terms: {
      type: "string",
      value: "FILE",
      description: "terms that customers sign, or their hash",
    },
    print: { type: "boolean", description: "print the line for the provider key's machine" },
    operator: { type: "string", value: "ADDRESS", description: "hot key that may settle" },
    "public-resolver": {
      type: "string",
      value: "ADDRESS",
      description: "set the records there instead of deploying a resolver",
    },
    "replace-resolver": {
      type: "boolean",
      description: "take the place of a resolver that is not yours",
    },
  },
  positionals: { min: 0, max: 1 },
  async run(context, { positionals, options }) {
    const config = await context.config();
    const provider = config.provider ?? null;
    const nameText = required("NAME", positionals[0] ?? provider?.name);
    if (options.print) return await printLine(context, nameText, options);
    const publicResolver = options["public-resolver"];
    const [chain, { escrow }, registry] = await Promise.all([
      context.chain(),
      context.contracts(),
      registryOf(context),
    ]);
    const account = await context.account();
    assertProviderKey(account.address, provider);
    const records = await recordsOf(config, provider, account.address, options);
    const operator = options.operator === undefined
      ? await operatorOf(config, provider)
      : addressOf(options.operator, "--operator");
    if (provider) tellOfPrice(context, config, { ...provider, price: records.price });
    else await tellOfRise(context, nameText, records.price);
    context.out.progress(`registering ${nameText}`);
    const registered = await registerProvider(chain, account, {
      registry,
      name: nameText,
      records: { ...records, escrow: { chainId: chain.chainId, address: escrow } },
      replacesResolver: options["replace-resolver"],
      ...(publicResolver === undefined
        ? {}
        : { publicResolver: addressOf(publicResolver, "--public-resolver") }),
    });
    const isApproved = operator !== null &&
      await approveOperator(context, account.address, operator);
    const { name, resolver, action } = registered;
    context.out.result({ ...registered, operator: isApproved ? operator : null }, [
      `${name}: ${ACTION_TEXT[action]} (resolver ${resolver})`,
      ...(isApproved ? [`operator ${operator} may settle`] : []),
    ]);
  },
});

async function printLine(
  context: CommandContext,
  name: string,
  options: LineFlags,
): Promise<void> {
  const { address } = requireProvider(await context.config());
  const line = await registrationLine(context, name, options);
  context.out.result({ name, key: address, line }, [line]);
  context.out.note(`paste it where the key of ${address} is; there, --rpc names this chain`);
}

interface LineFlags extends RecordFlags {
  operator: string | undefined;
}

/**
 * The line that says elsewhere what this machine's configuration says here.
 * @throws KhachapuriError `invalid_config` on a machine of no provider, `chain_unavailable`
 */
export async function registrationLine(
  context: CommandContext,
  name: string,
  options: Partial<LineFlags>,
): Promise<string> {
  const [config, { chainId }, { escrow, registry }] = await Promise.all([
    context.config(),
    context.chain(),
    context.contracts(),
  ]);
  const provider = requireProvider(config);
  const records = await recordsOf(config, provider, provider.address, options);
  const { webDomain, price, terms, recipients } = records;
  tellOfPrice(context, config, { ...provider, price });
  const operator = options.operator ?? await operatorOf(config, provider);
  const words = [
    ["khachapuri register", quoted(name)],
    ["--domain", quoted(webDomain)],
    ["--price", formatUsdc(price)],
    ...(terms ? [["--terms", terms]] : []),
    ...(operator ? [["--operator", operator]] : []),
    ...(shippedOn(chainId)?.escrow === escrow ? [] : [["--escrow", escrow]]),
    ...(registry ? [["--registry", registry]] : []),
    ...recipients.map((recipient) => ["--age", recipient]),
  ];
  return words.flat().join(" ");
}

/** A word as a shell reads it. */
function quoted(word: string): string {
  return /^[\w.:/@-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

const ACTION_TEXT = {
  deployed: "resolver deployed and registered",
  updated: "records updated",
  unchanged: "says so already",
};

interface RecordFlags {
  domain: string | undefined;
  age: string[];
  price: string | undefined;
  terms: string | undefined;
}

async function recordsOf(
  config: Config,
  provider: ProviderConfig | null,
  address: Address,
  flags: Partial<RecordFlags>,
): Promise<Omit<ProviderRecords, "escrow">> {
  const recipients = flags.age?.length ? flags.age : await ownRecipients(config, provider);
  return {
    address,
    webDomain: required("--domain URL", flags.domain ?? provider?.webDomain),
    recipients: required("--age RECIPIENT", recipients),
    price: flags.price === undefined
      ? required("--price USDC", provider?.price)
      : parseUsdc(flags.price),
    terms: await termsOf(config, provider, flags.terms),
  };
}

function required<T>(flag: string, value: T | null | undefined): T {
  if (value !== undefined && value !== null) return value;
  throw new KhachapuriError("usage", `${flag} is missing`, {
    hints: ["the whole line, to paste here, is told on the provider's machine: register --print"],
  });
}

async function ownRecipients(
  config: Config,
  provider: ProviderConfig | null,
): Promise<string[] | null> {
  if (!provider) return null;
  const { identities = [] } = await readKeyFile(resolveFromHome(config, provider.keyFile));
  // The first identity is the current one; the others keep old specs readable.
  return identities[0] === undefined ? null : [await recipientOf(identities[0])];
}

async function termsOf(
  config: Config,
  provider: ProviderConfig | null,
  given: string | undefined,
): Promise<Hex | null> {
  if (given !== undefined && isHash(given)) return given;
  const newest = provider?.terms[0];
  const path = given ?? (newest === undefined ? undefined : resolveFromHome(config, newest));
  if (path === undefined) return null;
  const text = await readBytes(path);
  assertOwnTerms(text, path);
  if (text.length <= TERMS_BYTES_MAX) return termsHash(text);
  throw new KhachapuriError(
    "invalid_input",
    `${path}: terms have at most ${TERMS_BYTES_MAX} bytes`,
  );
}

function isHash(text: string): text is Hex {
  return isHex(text) && text.length === 66;
}

async function operatorOf(
  config: Config,
  provider: ProviderConfig | null,
): Promise<Address | null> {
  if (!provider) return null;
  const path = resolveFromHome(config, provider.keyFile);
  return accountOf(await readKeyFile(path), path).address;
}

/** Whether the operator may settle now; the provider key needs no approval of its own. */
async function approveOperator(
  context: CommandContext,
  provider: Address,
  operator: Address,
): Promise<boolean> {
  const [chain, { escrow }] = await Promise.all([context.chain(), context.contracts()]);
  if (isAddressEqual(provider, operator)) return false;
  if (await isOperator(chain, escrow, provider, operator)) return true;
  await setOperator(chain, await context.account(), escrow, operator, {
    expiry: NEVER,
    dailyCap: 0n,
  });
  return true;
}

export const assign = defineCommand({
  usage: "NAME ADDRESS",
  details: [
    "Gives NAME, and all names below it, to ADDRESS. Whoever owns a name above may do so, and " +
    "may take it back the same way; at first the root's owner owns everything. Unowned names " +
    "between become yours.",
  ],
  examples: ["assign paolo.khachapuri 0x70997970C51812dc3A010C7d01b50e0d17dc79C8"],
  options: {},
  positionals: { min: 2, max: 2 },
  async run(context, { positionals }) {
    const owner = addressOf(positionals[1]!, "ADDRESS");
    const [chain, registry] = await Promise.all([context.chain(), registryOf(context)]);
    const account = await context.account();
    context.out.progress(`assigning ${positionals[0]}`);
    const assignment = await assignName(chain, account, registry, positionals[0]!, owner);
    const { name, previousOwner } = assignment;
    context.out.result(assignment, [
      `${name} belongs to ${owner}${previousOwner ? `, no longer to ${previousOwner}` : ""}`,
    ]);
  },
});
