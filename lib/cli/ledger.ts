/** `ledger` and `settle`: the provider's own book, to read and to settle by hand. */
import { join } from "node:path";
import type { Hex } from "viem";
import { thawingPeriod } from "../chain/escrow.ts";
import { formatUsdc } from "../chain/usdc.ts";
import { askProvider } from "../client/provider_http.ts";
import { requireProvider } from "../config.ts";
import { KhachapuriError } from "../errors.ts";
import { PROVIDER_JSON_BYTES_MAX, SETTLE_TIMEOUT_MS } from "../limits.ts";
import { createLog } from "../log.ts";
import { type JournalProof, proveJournal } from "../provider/ledger/archive/proof.ts";
import { type JournalFilter, streamJournal } from "../provider/ledger/journal_reader.ts";
import type { StoreName } from "../provider/ledger/transfer/format.ts";
import { holderOf, LOCK_FILE, lockState } from "../provider/door/lock.ts";
import { openPayments } from "../provider/settlement/payments.ts";
import { OWNER_REQUEST_SECONDS, signOwnerRequest } from "../spec/owner_request.ts";
import { askControl } from "../provider/control/control_client.ts";
import { usageError } from "./arguments.ts";
import { bookDir, isFleet, ledgerIn, operatorOf } from "./books.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { csvLines, rowsOf, textLines } from "./ledger_rows.ts";
import type { Output } from "./output.ts";
import { cidOf } from "./own_deployment.ts";
import { addressOf } from "./parties.ts";

export const ledger = defineCommand({
  usage: "[--payer ADDRESS] [--deployment CID] [--lane HASH] [--since TIME] [--csv] | --verify | " +
    "migrate [--dry-run] | export FILE | import FILE [--store sqlite|postgres]",
  details: [
    "Prints the journal of this machine's provider, oldest first: what was opened, reserved, " +
    "charged, released, settled and skipped. It may be read while the provider runs, also what " +
    "is in the archive by now.",
    "With --verify it prints no entry: it reads the archive's files back, compares them with what " +
    "was written, counts all again, and tells the first difference.",
    "Of a fleet it asks PostgreSQL, at whichever node: the journal there has charges alone, each " +
    "with its price, and --verify has the database compare payers, lanes, what nodes hold and the " +
    "journal, as of one moment. --store sqlite tells of the books that a machine had before.",
    "migrate brings the schema of the fleet's PostgreSQL (provider.ledger.postgres) to this " +
    "release's. It only adds: nodes that run go on.",
    "export writes all that is charged, settled and due into one file, and import brings it to " +
    "where there is no ledger yet, whichever of the two stores it came from: lanes, receipts, " +
    "single payments, answers under keys. It is read back and compared, line by line, before " +
    "anybody can serve by it. The provider, or all nodes of it, must be stopped. The file has " +
    "your payers' permits in it: keep it as you keep the ledger.",
  ],
  examples: [
    "ledger --since 2026-01-01",
    "ledger --payer 0x7099…79C8 --csv",
    "ledger --deployment bafkrei… --json",
    "ledger --verify",
    "ledger migrate",
    "ledger export ledger.jsonl.gz",
    "ledger import ledger.jsonl.gz",
  ],
  options: {
    payer: { type: "string", value: "ADDRESS", description: "of this payer" },
    deployment: { type: "string", value: "CID|URL", description: "of runs of this deployment" },
    lane: { type: "string", value: "HASH", description: "of this lane" },
    since: { type: "string", value: "TIME", description: "ISO 8601; from then on" },
    csv: { type: "boolean", description: "comma-separated, with a head" },
    verify: { type: "boolean", description: "prove that the journal is whole" },
    "dry-run": { type: "boolean", description: "migrate: tell what there is to do" },
    store: {
      type: "string",
      value: "STORE",
      choices: ["sqlite", "postgres"],
      description: "of which store (default: the one in config.json)",
    },
  },
  choices: ["migrate", "export", "import"],
  positionals: { min: 0, max: 2 },
  async run(context, { options, positionals }) {
    const { "dry-run": isDryRun, store: given, ...ofJournal } = options;
    const store = storeOf(given);
    const [action, file] = positionals;
    if (action !== undefined) {
      if (Object.values(ofJournal).some((given) => given !== undefined && given !== false)) {
        throw usageError("ledger", `${action} goes without --payer, --csv, --verify and the like`);
      }
      return await move(context, action, file, { isDryRun, store });
    }
    if (isDryRun) throw usageError("ledger", "--dry-run is for migrate");
    const filter = filterOf(options);
    if (store === "postgres" || store === null && await isFleet(context)) {
      const { proveFleet, showFleet } = await import("./ledger_fleet.ts");
      return await (options.verify ? proveFleet(context) : showFleet(context, filter, options.csv));
    }
    const path = await ledgerIn(await bookDir(context));
    if (options.verify) return tellProof(context.out, await proveJournal(path));
    const rows = rowsOf(streamJournal(path, filter));
    if (context.out.isJson) context.out.jsonList("entries", rows);
    else context.out.lines(options.csv ? csvLines(rows) : textLines(rows));
  },
});

async function move(
  context: CommandContext,
  action: string,
  file: string | undefined,
  { isDryRun, store }: { isDryRun: boolean; store: StoreName | null },
): Promise<void> {
  const { bringLedger, exportLedger, migrateLedger } = await import("./ledger_move.ts");
  if (action === "migrate") {
    if (file !== undefined || store !== null) {
      throw usageError("ledger", "migrate takes --dry-run, and nothing else");
    }
    return await migrateLedger(context, isDryRun);
  }
  if (action !== "export" && action !== "import") {
    throw usageError("ledger", `"${action}" is no action of it`);
  }
  if (isDryRun) throw usageError("ledger", "--dry-run is for migrate");
  if (file === undefined) throw usageError("ledger", `${action} which FILE?`);
  await (action === "export" ? exportLedger : bringLedger)(context, file, store);
}

/** Null: the one in config.json. */
function storeOf(given: string | undefined): StoreName | null {
  if (given === undefined || given === "sqlite" || given === "postgres") return given ?? null;
  throw usageError("ledger", `--store is sqlite or postgres, not ${given}`);
}

function filterOf(
  options: { [K in "payer" | "deployment" | "lane" | "since"]: string | undefined },
): JournalFilter {
  const { payer, deployment, lane, since } = options;
  if (lane !== undefined && !/^0x[0-9a-fA-F]{64}$/.test(lane)) {
    throw new KhachapuriError("usage", `--lane is not 32 bytes of 0x-hex: ${lane}`);
  }
  const from = since === undefined ? null : new Date(since);
  if (from && (Number.isNaN(from.getTime()) || !/^\d{4}-\d\d-\d\d/.test(since!))) {
    throw new KhachapuriError("usage", `--since is no time: ${since}`, {
      hints: ["write it as 2026-01-31 or 2026-01-31T08:00:00Z"],
    });
  }
  return {
    ...(payer === undefined ? {} : { payer: addressOf(payer, "--payer") }),
    ...(deployment === undefined ? {} : { cid: cidOf(deployment) }),
    ...(lane === undefined ? {} : { lane: lane.toLowerCase() as Hex }),
    ...(from ? { since: from } : {}),
  };
}

function tellProof(out: Output, { rows, archived, gone, segments, held }: JournalProof): void {
  out.result({ rows, archived, gone, segments, held }, [
    `proved    ${rows} rows, of them ${archived} in ${segments} files of the archive`,
    ...(gone > 0
      ? [`gone      ${gone} rows before those, by the policy; their sums are kept`]
      : []),
    `held      ${formatUsdc(held)} USDC, for runs that have not ended`,
  ]);
}

export const settle = defineCommand({
  usage: "",
  details: [
    "Settles what is due now. While the provider runs, asks it to, signed by its operator key; " +
    "while it is stopped, opens its books and settles from here. Of a fleet whichever node leads " +
    "settles; where none runs nothing is.",
  ],
  examples: ["settle", "settle --home /var/lib/khachapuri"],
  options: {},
  positionals: { min: 0, max: 0 },
  async run(context) {
    const dir = await bookDir(context);
    const lockPath = join(dir, LOCK_FILE);
    const url = await holderOf(lockPath);
    const unsettled = url === null
      ? await settleStopped(context, dir, lockPath)
      : url.startsWith("https:")
      ? await askHere(dir)
      : await askToSettle(context, url);
    const left = `${formatUsdc(unsettled)} USDC still due`;
    context.out.result({ unsettled }, [unsettled === 0n ? "all is settled" : left]);
    if (unsettled > 0n) {
      throw new KhachapuriError("chain_unavailable", left, {
        hints: ["see khachapuri ledger for what the escrow refused, and the log for the chain"],
      });
    }
  },
});

/** Where TLS is its own, its certificate is for other names than this machine's, or is lacking. */
async function askHere(dir: string): Promise<bigint> {
  const answer = await askControl(dir, "settle");
  if (answer) return BigInt(String(answer.done));
  throw new KhachapuriError("provider_unavailable", "the provider does not answer");
}

async function askToSettle(context: CommandContext, webDomain: string): Promise<bigint> {
  const { address: provider } = requireProvider(await context.config());
  const account = await operatorOf(context);
  const expires = BigInt(Math.floor(Date.now() / 1000)) + OWNER_REQUEST_SECONDS / 2n;
  const { chainId } = await context.chain();
  const { escrow } = await context.contracts();
  const question = { action: "settle" as const, subject: "", provider, expires };
  const body = await signOwnerRequest(account, { ...question, chainId, escrow });
  context.out.progress(`asking the provider at ${webDomain} to settle`);
  const answer = await askProvider({
    webDomain,
    path: "/settle",
    body,
    bytesMax: PROVIDER_JSON_BYTES_MAX,
    timeoutMs: SETTLE_TIMEOUT_MS,
  });
  return BigInt(JSON.parse(new TextDecoder().decode(answer)).unsettled);
}

/** No provider runs on this machine. */
async function settleStopped(context: CommandContext, dir: string, lockPath: string) {
  if (!await isFleet(context)) return await settleHere(context, dir, lockPath);
  const { settleByFleet } = await import("./settle_fleet.ts");
  return await settleByFleet(context);
}

async function settleHere(context: CommandContext, dir: string, lockPath: string) {
  await ledgerIn(dir);
  const lock = await lockState(lockPath);
  try {
    const [chain, { escrow, usdc }] = await Promise.all([context.chain(), context.contracts()]);
    const provider = requireProvider(await context.config());
    const account = await operatorOf(context);
    const { stderr } = context.world;
    const write = (line: string) => stderr.write(new TextEncoder().encode(line));
    const log = createLog({ write, isTerminal: stderr.isTerminal() });
    const thawingPeriodSeconds = await thawingPeriod(chain, escrow);
    const parts = {
      chain,
      escrow,
      usdc,
      provider,
      account,
      thawingPeriodSeconds,
      dir,
      log,
      now: Date.now,
    };
    const payments = await openPayments(parts);
    context.out.progress("settling");
    const settled = payments.settlement.settleNow();
    await settled.finally(() => payments.close());
    return payments.ledger.totals().unsettled;
  } finally {
    lock.release();
  }
}
