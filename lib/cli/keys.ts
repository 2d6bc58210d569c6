/** `keys`: which keys this machine has, which its name publishes, and other ones. */
import { resolveProvider } from "../chain/ens.ts";
import { type Config, type ProviderConfig, resolveFromHome } from "../config.ts";
import { asKhachapuriError, KhachapuriError } from "../errors.ts";
import { readSealedTo } from "../provider/deployment/sealed_to.ts";
import { recordsPath } from "../provider/deployment/records.ts";
import {
  lostIdentities,
  type LostIdentity,
  readProvidersKeys,
  tellLost,
} from "../provider/door/lost_keys.ts";
import { recipientKind } from "../spec/envelope.ts";
import {
  accountOf,
  earlierKeyFiles,
  type IdentityKind,
  type KeyFile,
  readKeyFile,
  recipientOf,
  shortRecipient,
} from "../spec/keys.ts";
import { usageError } from "./arguments.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { assertOwnHome } from "./init_files.ts";
import { rotateKeys } from "./key_rotation.ts";
import { registrationLine } from "./names.ts";
import { providerKeysPath } from "./provider_keys_path.ts";

/** An identity as it may be shown: by its public half. */
interface Shown {
  readonly recipient: string;
  /** New specs are encrypted to the first one, once the name publishes it. */
  readonly isFirst: boolean;
  /** Null where the name could not be asked. */
  readonly isPublished: boolean | null;
  /** How many of those that were paid for here it opens. */
  readonly deployments: number;
}

export const keys = defineCommand({
  usage: "[rotate [--operator] [--kind KIND]]",
  details: [
    "Lists the keys of this machine by their public halves: the account, on a provider's machine " +
    "the identities that open specs, which of them the name publishes, and how many deployments " +
    "each opens. Never a secret.",
    "rotate makes another identity before the earlier ones, which stay and go on opening what is " +
    "encrypted to them; what the file held before is kept beside it. Then it tells the line that " +
    "publishes the new one, for where the provider key is.",
  ],
  examples: [
    "keys",
    "keys --json",
    "keys rotate",
    "keys rotate --operator",
    "keys rotate --kind pq",
  ],
  options: {
    operator: { type: "boolean", description: "rotate: make another operator key, too" },
    kind: {
      type: "string",
      value: "KIND",
      choices: ["pq", "x25519"],
      description: "rotate: post-quantum or classic (default: as the one that is first now)",
    },
  },
  choices: ["rotate"],
  positionals: { min: 0, max: 1 },
  async run(context, { positionals, options }) {
    const [action] = positionals;
    if (action === undefined) {
      if (options.operator || options.kind !== undefined) {
        throw usageError("keys", "--operator and --kind are for rotate");
      }
      return await list(context);
    }
    if (action !== "rotate") throw usageError("keys", `"${action}" is no action of it`);
    const { kind, operator } = options;
    if (kind !== undefined && kind !== "pq" && kind !== "x25519") {
      throw usageError("keys", `--kind is pq or x25519, not ${kind}`);
    }
    await rotate(context, kind, operator);
  },
});

async function list(context: CommandContext): Promise<void> {
  const config = await context.config();
  const path = await providerKeysPath(context);
  const { provider } = config;
  const file = provider
    ? await readProvidersKeys(path, recordsAt(config, provider))
    : await readKeyFile(path);
  const published = provider ? await publishedBy(context, provider) : [];
  const sealed = provider ? readSealedTo(recordsAt(config, provider)) : new Map();
  const identities = await Promise.all((file.identities ?? []).map(async (identity, index) => {
    const recipient = await recipientOf(identity);
    return {
      recipient,
      isFirst: index === 0,
      isPublished: published && published.includes(recipient),
      deployments: sealed.get(shortRecipient(recipient))?.length ?? 0,
    };
  }));
  const lost = provider ? await lostIdentities(file, path, recordsAt(config, provider)) : [];
  const earlier = await earlierKeyFiles(path);
  const account = file.account ? accountOf(file, path).address : null;
  const name = provider?.name ?? null;
  context.out.result({ path, name, account, identities, lost, earlier }, [
    `file      ${path}`,
    ...(account ? [`account   ${account}, ${provider ? "the operator" : "pays and deploys"}`] : []),
    ...identities.map((each) => `identity  ${identityText(each, provider)}`),
    ...earlier.map((each) => `kept      ${each}`),
    ...lostLines(lost),
  ]);
}

function recordsAt(config: Config, { stateDir }: ProviderConfig): string {
  return recordsPath(resolveFromHome(config, stateDir));
}

/** The recipients that the name publishes; null where it could not be asked, which is said. */
async function publishedBy(
  context: CommandContext,
  { name }: ProviderConfig,
): Promise<readonly string[] | null> {
  try {
    const [chain, contracts] = await Promise.all([context.chain(), context.contracts()]);
    return (await resolveProvider(chain, name, contracts)).recipients;
  } catch (thrown) {
    const { code, shortMessage } = asKhachapuriError(thrown);
    if (code === "not_found") return [];
    context.out.note(`which one ${name} publishes is not known: ${shortMessage}`);
    return null;
  }
}

function identityText(
  { recipient, isFirst, isPublished, deployments }: Shown,
  provider: ProviderConfig | undefined,
): string {
  const words = [
    isFirst ? "first" : "earlier",
    ...(isPublished ? [`published by ${provider!.name}`] : []),
    ...(isFirst && isPublished === false ? ["not published yet: khachapuri register --print"] : []),
    `opens ${deployments} deployment${deployments === 1 ? "" : "s"}`,
  ];
  return `${shortRecipient(recipient)}, ${words.join(", ")}`;
}

function lostLines(lost: readonly LostIdentity[]): string[] {
  if (lost.length === 0) return [];
  const { detail, hints } = tellLost(lost);
  return [`missing   ${detail}`, ...hints.map((hint) => `          ${hint}`)];
}

async function rotate(
  context: CommandContext,
  kind: IdentityKind | undefined,
  operator: boolean,
): Promise<void> {
  const { home, out } = context;
  const config = await context.config();
  const { provider } = config;
  if (!provider) throw notAProvider();
  await assertOwnHome(home);
  const path = await providerKeysPath(context);
  const held = await readProvidersKeys(path, recordsAt(config, provider));
  const identity = kind ?? await kindOf(held);
  const { keys: made, earlier } = await rotateKeys(path, { identity, operator });
  const recipient = await recipientOf(made.identities![0]!);
  const account = accountOf(made, path).address;
  const line = await lineFor(context, provider);
  out.result({ path, recipient, operator: account, isOperatorNew: operator, earlier, line }, [
    `identity  ${shortRecipient(recipient)} is first, ${made.identities!.length - 1} behind it`,
    ...(operator ? [`operator  ${account}`] : []),
    `kept      ${earlier}: what ${path} held before; back both up`,
    "",
    "next:",
    ...(operator ? [`  send ${account} some of the chain's coin`] : []),
    "  start serve anew: it opens specs with all of them",
    "  paste where the provider key is, for specs to be encrypted to the new one:",
    `  ${line ?? `what khachapuri register --home ${home} --print tells`}`,
    ...(operator
      ? ["  and then dismiss the earlier operator: khachapuri operator remove ADDRESS"]
      : []),
  ]);
}

async function kindOf({ identities }: KeyFile): Promise<IdentityKind> {
  const [first] = identities ?? [];
  return first === undefined ? "pq" : recipientKind(await recipientOf(first))!;
}

/** Null where the chain is out of reach, or the configuration not complete: that can wait. */
async function lineFor(
  context: CommandContext,
  { name }: ProviderConfig,
): Promise<string | null> {
  return await registrationLine(context, name, {}).catch(() => null);
}

function notAProvider(): KhachapuriError {
  return new KhachapuriError("invalid_config", "this home is no provider's: no identity is in it", {
    hints: [
      "the account that you pay and deploy with is your money's: move that to another account " +
      "(khachapuri withdraw), in a home of its own (--home DIR)",
    ],
  });
}
