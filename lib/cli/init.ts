/**
 * `init`: keys and configuration of a new user or provider. Again it adds what is missing and
 * changes what its flags say; keys are never overwritten.
 */
import { join } from "node:path";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { KhachapuriError } from "../errors.ts";
import { type KeyFile, writeKeyFile } from "../spec/keys.ts";
import { usageError } from "./arguments.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { changedFields, openConfigFile } from "./config_file.ts";
import { configWith } from "./init_config.ts";
import { assertOwnHome, changedLines, keysIn, writeProfile, writeUnit } from "./init_files.ts";
import { type InitFlags, initProvider } from "./init_provider.ts";
import { tellAccountReplaced } from "./keys_replaced.ts";

export const init = defineCommand({
  usage: "[--provider NAME --domain URL --price USDC --address ADDRESS|new]",
  details: [
    "Without --provider: an account to pay and deploy with. With it: the operator key and the " +
    "age identity of this machine, a config.json, and a terms.txt for you to edit.",
    "The provider key owns the name and the earnings. Give its address, so that this machine " +
    "never sees it; --address new makes one here for you to move away.",
    "--rpc, --gateway, --kubo, --escrow and --registry are recorded in config.json. Again, init " +
    "adds what is missing, changes in config.json what its flags say, and tells what it changed. " +
    "Keys are never overwritten.",
  ],
  examples: [
    "init --rpc https://rpc.example",
    "init --provider paolo.eth --domain https://paolo.example --price 0.001 --address 0x7099…79C8",
    "init --price 0.002 --keep-price 90d",
    "init --systemd /etc/systemd/system/khachapuri.service",
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
    "keep-price": {
      type: "string",
      value: "90d|TIME|forever",
      description: "how long deployments from before a change of the price keep theirs",
    },
    "keep-terms": {
      type: "string",
      value: "90d|TIME|forever",
      description: "how long those whose terms you list no more go on",
    },
    terms: { type: "string", value: "FILE", description: "a newer text; the others stay listed" },
    listen: { type: "string", value: "HOST:PORT", description: "default 127.0.0.1:8402" },
    x25519: { type: "boolean", description: "a classic age identity, not a post-quantum one" },
    systemd: { type: "string", value: "FILE", description: "write the systemd unit there" },
    apparmor: {
      type: "string",
      value: "FILE",
      description: "write a profile for AppArmor there, as Ubuntu wants one, and nothing else",
    },
    from: {
      type: "string",
      value: "FILE",
      description: "JSON of more fields of provider in config.json; - is stdin",
    },
    "new-identity": {
      type: "boolean",
      description: "make another age identity; the earlier ones still open their specs",
    },
    "new-operator": { type: "boolean", description: "make another operator key" },
  },
  async run(context, { options }) {
    const { home, flags } = context;
    const config = await openConfigFile(home).read();
    if (options.apparmor !== undefined) {
      const path = await writeProfile(options.apparmor, home);
      return context.out.result({ home, profilePath: path }, [`profile  ${path}`]);
    }
    const given = givenAmong(options);
    // By root, in the service's home: it may make the unit, and none of the service's own files.
    const isUnitAlone = given.length === 1 && options.systemd !== undefined && !isAnyOf(flags);
    if (options.systemd !== undefined && isUnitAlone && config.provider) {
      const path = await writeUnit(options.systemd, home);
      return context.out.result({ home, unitPath: path }, [`unit  ${path}`]);
    }
    await assertOwnHome(home);
    if (options.provider !== undefined || config.provider) {
      return await initProvider(context, config, options);
    }
    const [flag] = given;
    if (flag !== undefined) throw usageError("init", `--${flag} is a provider's: --provider NAME`);
    await initUser(context);
  },
});

function givenAmong(options: InitFlags): string[] {
  return Object.entries(options).flatMap(([name, value]) => value ? [name] : []);
}

/** Whether a flag is given that is recorded. */
function isAnyOf({ rpc, gateway, kubo, escrow, registry }: CommandContext["flags"]): boolean {
  return rpc.length + gateway.length > 0 || [kubo, escrow, registry].some((flag) => flag);
}

async function initUser(context: CommandContext): Promise<void> {
  const { out, home, keysPath } = context;
  const file = openConfigFile(home);
  const [before, held] = await Promise.all([file.read(), keysIn(keysPath)]);
  const after = await configWith(context, before, undefined);
  const keys: KeyFile = held ?? { version: 1, account: generatePrivateKey() };
  const { address } = userAccount(keys, keysPath);
  if (!held) await writeKeyFile(keysPath, keys);
  if (!held) await tellAccountReplaced(context);
  const changed = changedFields(before, after);
  await file.change((config) => held && changed.length === 0 ? config : after);
  out.result({ address, keys: keysPath, config: file.path, changed, isNew: !held }, [
    `address  ${address}`,
    held
      ? `keys     ${keysPath}, as it was`
      : `keys     ${keysPath} (mode 0600; make a copy, nobody can restore it)`,
    `config   ${file.path}`,
    ...changedLines(changed),
    ...(held ? [] : [
      "",
      "next:",
      ...(after.rpc === undefined ? [`  khachapuri init --rpc URL`] : []),
      "  send USDC and a little of the chain's coin to the address",
      "  khachapuri deposit AMOUNT",
      "  khachapuri allow NAME --credits N",
      "  khachapuri deploy DIR --provider NAME",
    ]),
  ]);
}

/** @throws KhachapuriError `invalid_input` for a file without one, as only a provider's may be */
function userAccount(keys: KeyFile, path: string) {
  if (keys.account) return privateKeyToAccount(keys.account);
  throw new KhachapuriError("invalid_input", `${path} holds no account`, {
    hints: [`move it away, or choose another --home than ${join(path, "..")}`],
  });
}
