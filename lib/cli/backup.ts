/** `backup`: a provider's keys, configuration, books and content in one file, while it serves. */
import { type Config, requireProvider } from "../config.ts";
import { databaseAddressIn } from "../config_fleet.ts";
import { describeAddress } from "../postgres_address.ts";
import { backUp } from "../provider/backup/backup.ts";
import { usageError } from "./arguments.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { assertOwnHome } from "./init_files.ts";
import { inNewFile } from "./new_file.ts";
import { VERSION } from "../version.ts";

export const backup = defineCommand({
  usage: "FILE|- [--recipient age1…] [--without-content]",
  details: [
    "Copies this machine's provider into one tar.gz: configuration, keys, terms, books and what " +
    "owners have pushed. It may be made while the provider runs: each database is copied as it " +
    "is at one moment. `restore` checks every byte of it.",
    "It has the keys in it. With --recipient it is encrypted to that age recipient (age-keygen " +
    "makes one, on another machine), and only its identity opens it.",
    "What was charged after it was made, and not settled, is lost with the machine.",
    "Of a node of a fleet the ledger is in PostgreSQL and not in this file: pg_basebackup or " +
    "pg_dump copies it.",
  ],
  examples: [
    "backup khachapuri.tar.gz",
    "backup --home /var/lib/khachapuri --recipient age1… -",
  ],
  options: {
    recipient: {
      type: "string",
      value: "AGE",
      multiple: true,
      description: "encrypt it to this recipient; may be given more than once",
    },
    "without-content": {
      type: "boolean",
      description: "leave out what owners have pushed: a provider asks its gateways for it",
    },
  },
  positionals: { min: 1, max: 1 },
  async run(context, { options, positionals }) {
    const { out, home } = context;
    const [path] = positionals as [string];
    if (path === "-" && out.isJson) throw usageError("backup", "- and --json both want stdout");
    await assertOwnHome(home);
    const config = await context.config();
    const settings = {
      config,
      release: VERSION,
      recipients: options.recipient,
      withContent: !options["without-content"],
      now: Date.now,
    };
    const { files, madeAt } = path === "-"
      ? await backUp(settings, (archive) => toStdout(context, archive))
      : await inNewFile(path, (to) => backUp(settings, to));
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    const isSealed = options.recipient.length > 0;
    const elsewhere = ledgerElsewhere(config);
    const hasLedger = elsewhere === null;
    const told = { file: path, files: files.length, bytes, madeAt, isEncrypted: isSealed };
    const warning = "it has your keys in it, unencrypted: keep it as you keep them";
    if (path === "-") {
      if (!isSealed) out.note(warning);
      return hasLedger ? undefined : out.note(elsewhere);
    }
    out.result({ ...told, hasLedger }, [
      `backup    ${path} (mode 0600)`,
      `files     ${files.length}, ${(bytes / 1e6).toFixed(1)} MB unpacked`,
      isSealed ? `encrypted to ${options.recipient.join(", ")}` : `note      ${warning}`,
      ...(hasLedger ? [] : [`note      ${elsewhere}`]),
    ]);
  },
});

/** What is said of a ledger that is no file of this machine; null: it is one, and is copied. */
function ledgerElsewhere(config: Config): string | null {
  const { postgres } = requireProvider(config).ledger;
  if (postgres === undefined) return null;
  const name = describeAddress(databaseAddressIn(config.home, postgres));
  return `the ledger is at ${name}, and not in it: copy that with pg_basebackup or pg_dump`;
}

async function toStdout(
  { out }: CommandContext,
  archive: ReadableStream<Uint8Array>,
): Promise<void> {
  for await (const chunk of archive) out.bytes(chunk);
}
