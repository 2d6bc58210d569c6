/** `init` on a provider's machine: its operator key, identity, configuration and terms. */
import { join } from "node:path";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { type ConfigJson, keepOf, parseConfig } from "../config.ts";
import { KhachapuriError } from "../errors.ts";
import { keepsNothing } from "../keep.ts";
import {
  accountOf,
  generateIdentity,
  type KeyFile,
  recipientOf,
  writeKeyFile,
} from "../spec/keys.ts";
import type { CommandContext } from "./command.ts";
import { changedFields, openConfigFile } from "./config_file.ts";
import {
  checkedAddress,
  configWith,
  missing,
  type ProviderFlags,
  type ProviderJson,
  providerWith,
} from "./init_config.ts";
import { addTerms, assertTerms, changedLines, keysIn, writeUnit } from "./init_files.ts";
import { rotateKeys } from "./key_rotation.ts";
import { tellIdentityReplaced } from "./keys_replaced.ts";
import { tellOfPrice } from "./price_notice.ts";
import { systemdUnit } from "./systemd_unit.ts";
import { readGiven } from "./up/given.ts";
import { withFields } from "./up/provider_fields.ts";

const KEY_NAME = "provider-key.json";

export interface InitFlags extends ProviderFlags {
  x25519: boolean;
  systemd: string | undefined;
  from: string | undefined;
  "new-identity": boolean;
  "new-operator": boolean;
}

/** What `init` found and made. */
interface Made {
  /** As it is now. */
  config: ConfigJson;
  keys: KeyFile;
  /** Where the provider key was made, for its owner to move it away. */
  coldKeyPath: string | null;
  changed: string[];
  /** Files that were made, and those that keys of before were kept in. */
  files: string[];
  isNew: boolean;
}

/** @param before what config.json says */
export async function initProvider(
  context: CommandContext,
  before: ConfigJson,
  flags: InitFlags,
): Promise<void> {
  const { home, keysPath, out } = context;
  const held = await keysIn(keysPath);
  if (held && !held.identities?.length && !before.provider) throw payersHome(keysPath);
  const cold = await coldKey(home, before.provider, flags.address);
  const keyFile = keysPath === join(home, "keys.json") ? "keys.json" : keysPath;
  const given = await readGiven(flags.from);
  const flagged = providerWith(before.provider, flags, cold.address, keyFile);
  const provider = withFields(flagged, given.provider);
  const after = await configWith(context, before, provider);
  if (held) assertIdentityKind(flags);
  if (flags.terms !== undefined) await assertTerms(home, flags.terms);

  const files: string[] = [];
  if (cold.made) {
    await writeKeyFile(cold.path, { version: 1, account: cold.made });
    files.push(cold.path);
  }
  const { keys, path } = await keysMade(keysPath, held, flags);
  if (path) files.push(path);
  if (!held) await tellIdentityReplaced(context, before);
  const changed = changedFields(before, after);
  await openConfigFile(home).change((config) => changed.length === 0 ? config : after);
  files.push(...await addTerms(home, provider, given.terms));
  // Programs run as other uids where they can, which must pass through the provider's home.
  await Deno.chmod(home, 0o711);
  const unitPath = flags.systemd === undefined ? null : await writeUnit(flags.systemd, home);
  const coldKeyPath = await keysIn(cold.path) ? cold.path : null;
  const isNew = before.provider === undefined;
  const made = { config: after, keys, coldKeyPath, changed, files, isNew };
  await report(context, made, unitPath);
  if (changed.length > 0) tellOfChange(context, before, after);
  if (cold.made) {
    out.note(
      `WARNING: ${cold.path} owns your name and your earnings. Move it to another machine ` +
        "and delete it here before you take customers.",
    );
  }
}

/** What the next start ends for deployments that are there: they are known where records are. */
function tellOfChange(context: CommandContext, before: ConfigJson, after: ConfigJson): void {
  const config = parseConfig(after, context.home);
  const provider = config.provider!;
  const known = tellOfPrice(context, config, provider);
  const isDearer = before.provider !== undefined && provider.price > BigInt(before.provider.price);
  if (known > 0 || !isDearer || !keepsNothing(keepOf(provider).price)) return;
  context.out.note(
    "warning: deployments whose permits pay less are refused from the next start on; to serve " +
      "those that were paid for before at what they paid, give --keep-price 90d",
  );
}

/** The provider key as this machine knows it: its address, and the key where it is made here. */
async function coldKey(home: string, before: ProviderJson | undefined, given: string | undefined) {
  const path = join(home, KEY_NAME);
  if (given !== undefined && given !== "new") return { path, address: checkedAddress(given) };
  if (before) return { path, address: checkedAddress(before.address) };
  if (given === undefined) throw missing("--address ADDRESS|new");
  const there = await keysIn(path);
  if (there) return { path, address: accountOf(there, path).address };
  const made = generatePrivateKey();
  return { path, made, address: privateKeyToAccount(made).address };
}

/** A key file that is whole: what is missing is made, what is asked for is put in front. */
async function keysMade(path: string, held: KeyFile | null, flags: InitFlags) {
  const kind = flags.x25519 ? "x25519" : "pq";
  if (!held) {
    const identities = [await generateIdentity(kind)];
    const keys: KeyFile = { version: 1, account: generatePrivateKey(), identities };
    await writeKeyFile(path, keys);
    return { keys, path };
  }
  const isIdentityNew = flags["new-identity"] || !held.identities?.length;
  const isOperatorNew = flags["new-operator"] || held.account === undefined;
  if (!isIdentityNew && !isOperatorNew) return { keys: held, path: null };
  const { keys, earlier } = await rotateKeys(path, {
    identity: isIdentityNew ? kind : null,
    operator: isOperatorNew,
  });
  return { keys, path: earlier };
}

function assertIdentityKind({ x25519, "new-identity": isNew }: InitFlags): void {
  if (!x25519 || isNew) return;
  throw new KhachapuriError(
    "usage",
    "the identity that is there is kept: --x25519 changes nothing",
    {
      hints: ["add one before it: --new-identity --x25519"],
    },
  );
}

/** A hot key on a server is not to be the account that somebody pays and deploys with. */
function payersHome(keysPath: string): KhachapuriError {
  return new KhachapuriError("invalid_input", `${keysPath} is the account that you pay with`, {
    hints: ["a provider needs a home of its own: --home DIR"],
  });
}

async function report(
  { out, home }: CommandContext,
  { config, keys, coldKeyPath, changed, files, isNew }: Made,
  unitPath: string | null,
): Promise<void> {
  const { name, address, keyFile } = config.provider!;
  const operator = accountOf(keys, keyFile).address;
  const recipient = await recipientOf(keys.identities![0]!);
  const unit = unitPath ? { unitPath } : { unit: systemdUnit({ home, sockets: null }) };
  out.result({ name, address, operator, recipient, home, changed, files, ...unit }, [
    `provider  ${name}, key ${address}`,
    `operator  ${operator} (this machine's hot key: settles, never collects)`,
    `age key   ${recipient}`,
    `home      ${home}`,
    ...(unitPath ? [`unit      ${unitPath}`] : []),
    ...files.map((path) => `made      ${path}`),
    ...(isNew ? [] : changedLines(changed)),
    ...nextLines(home, config, coldKeyPath, { isNew, isChanged: changed.length > 0 }),
  ]);
}

/** The step of naming what no flag gave. Owners push what they deploy, unless that is off. */
function missingPlaces(home: string, { rpc, gateways = [], provider }: ConfigJson): string[] {
  const isFetching = provider?.ipfs?.push === false;
  const flags = [
    ...(rpc === undefined ? ["--rpc URL"] : []),
    ...(isFetching && gateways.length === 0 ? ["--gateway URL"] : []),
  ];
  return flags.length === 0 ? [] : [`  khachapuri init --home ${home} ${flags.join(" ")}`];
}

function nextLines(
  home: string,
  config: ConfigJson,
  coldKeyPath: string | null,
  { isNew, isChanged }: { isNew: boolean; isChanged: boolean },
): string[] {
  const register = coldKeyPath
    ? `  khachapuri register --home ${home} --keys ${coldKeyPath}`
    : `  khachapuri register --home ${home} --print   # what to paste where the provider key is`;
  if (!isNew) return isChanged ? ["", "next:", register, "  start serve anew"] : [];
  return [
    "",
    "next:",
    ...missingPlaces(home, config),
    `  make ${join(home, config.provider!.terms[0]!)} your own, then delete its last paragraph`,
    "  give the provider key and the operator some of the chain's coin: one registers, one settles",
    register,
    `  khachapuri doctor --home ${home}   # says what is missing`,
    `  khachapuri serve --home ${home}`,
    "  or, as root, as a service (docs/provider.md):",
    `  khachapuri init --home ${home} --systemd /etc/systemd/system/khachapuri.service`,
  ];
}
