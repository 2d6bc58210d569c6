/** `restore`: a provider's machine as a backup has it. */
import { join } from "node:path";
import { resolveFromHome } from "../config.ts";
import { KhachapuriError } from "../errors.ts";
import { fileError } from "../files.ts";
import { restore as restoreFrom } from "../provider/backup/restore.ts";
import { LOCK_FILE, lockState, type StateLock } from "../provider/door/lock.ts";
import { timeText } from "../time_text.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { openConfigFile } from "./config_file.ts";
import { assertOwnHome } from "./init_files.ts";

export const restore = defineCommand({
  usage: "FILE|- [--identity FILE] [--replace]",
  details: [
    "Puts what `backup` has copied where it was, or below another --home. Every byte is checked " +
    "before anything that is there is touched; what is there is put aside, never removed.",
    "Have the machine that the backup is of stopped for good: two that serve under one address " +
    "promise the same credits twice. What was served since the backup and not settled is lost, " +
    "and no payer is charged twice.",
    "A node of a fleet goes on by the ledger in PostgreSQL, as it is there by now: none is in the " +
    "backup.",
  ],
  examples: [
    "restore khachapuri.tar.gz --home /var/lib/khachapuri",
    "restore khachapuri.tar.gz.age --identity key.txt --replace",
  ],
  options: {
    identity: {
      type: "string",
      value: "FILE",
      multiple: true,
      description: "of age identities that open an encrypted backup, as age-keygen writes them",
    },
    replace: { type: "boolean", description: "put aside what is there" },
  },
  positionals: { min: 1, max: 1 },
  async run(context, { options, positionals }) {
    const { out, home, world } = context;
    const [path] = positionals as [string];
    await assertOwnHome(home);
    const identities = (await Promise.all(options.identity.map(identitiesIn))).flat();
    const lock = await lockOf(context);
    try {
      const file = path === "-" ? world.stdin.readable : await opened(path);
      const { manifest, asidePath } = await restoreFrom({
        path,
        file: file as ReadableStream<Uint8Array<ArrayBuffer>>,
        home,
        identities,
        replaces: options.replace,
        now: Date.now,
      });
      const { provider, madeAt, khachapuri, files } = manifest;
      const hasLedger = await isLedgerIn(home);
      const told = { provider, madeAt, release: khachapuri, files: files.length, home, asidePath };
      out.result({ ...told, hasLedger }, [
        `restored  ${provider}, as of ${timeText(BigInt(Math.floor(madeAt / 1000)))}`,
        `home      ${home}`,
        ...(asidePath ? [`aside     ${asidePath}`] : []),
        ...(hasLedger ? [] : ["ledger    in PostgreSQL, as it is there: none was in the backup"]),
        "",
        "next:",
        "  have the machine that it was made on stopped for good, if it is another one",
        `  khachapuri doctor --home ${home}   # says what is missing`,
        "  start the provider",
      ]);
    } finally {
      lock?.release();
    }
  },
});

/** Nobody serves from the home that is replaced; null where there are no books. */
async function lockOf({ home }: CommandContext): Promise<StateLock | null> {
  const { provider } = await openConfigFile(home).read();
  if (!provider) return null;
  const book = join(resolveFromHome({ home }, provider.stateDir), "book");
  const isThere = await Deno.stat(book).then(() => true, () => false);
  return isThere ? await lockState(join(book, LOCK_FILE)) : null;
}

/** Whether what was restored keeps its ledger in files, so that it is among them. */
async function isLedgerIn(home: string): Promise<boolean> {
  const { provider } = await openConfigFile(home).read();
  return provider?.ledger?.postgres === undefined;
}

async function opened(path: string): Promise<ReadableStream<Uint8Array>> {
  try {
    return (await Deno.open(path, { read: true })).readable;
  } catch (error) {
    throw await fileError(error, path, "read");
  }
}

/** The secrets of an identity file: its lines but for comments. */
async function identitiesIn(path: string): Promise<string[]> {
  const text = await Deno.readTextFile(path).catch(async (error) => {
    throw await fileError(error, path, "read");
  });
  const lines = text.split("\n").map((line) => line.trim());
  const secrets = lines.filter((line) => /^AGE-SECRET-KEY-/i.test(line));
  if (secrets.length > 0) return secrets;
  throw new KhachapuriError("invalid_input", `${path} holds no age identity`, {
    hints: ["one is a line that begins with AGE-SECRET-KEY-"],
  });
}
