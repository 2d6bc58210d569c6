/** `downgrade`: the provider's ledger as the release before this one reads it. */
import { join } from "node:path";
import { LOCK_FILE, lockState } from "../provider/door/lock.ts";
import { downgrade as downgradeLedger } from "../provider/ledger/downgrade.ts";
import { KhachapuriError } from "../errors.ts";
import { bookDir, isFleet, ledgerIn } from "./books.ts";
import { defineCommand } from "./command.ts";

export const downgrade = defineCommand({
  usage: "[flags]",
  details: [
    "Has the ledger of this machine's provider be one that the release before this one reads. " +
    "Stop the provider first, and put that release's file in place afterwards " +
    "(`upgrade --rollback`).",
    "What is due stays due, and nothing is charged twice. Where old entries were put away, each " +
    "lane is written down by entries that come to what it is: those show no deployment, and " +
    "receipts of runs before them are told no more.",
    "To go forth again, start this release: it reads what that one has written.",
  ],
  examples: ["downgrade --home /var/lib/khachapuri"],
  options: {},
  positionals: { min: 0, max: 0 },
  async run(context) {
    if (await isFleet(context)) throw inPostgres();
    const dir = await bookDir(context);
    const path = await ledgerIn(dir);
    const lock = await lockState(join(dir, LOCK_FILE));
    try {
      const { version, written } = await downgradeLedger(path);
      context.out.result({ path, version, written }, [
        `ledger    ${path}`,
        `version   ${version}`,
        ...written > 0 ? [`written   ${written} entries, for those that were put away`] : [],
        "",
        "next:",
        "  khachapuri upgrade --rollback, then start the provider",
      ]);
    } finally {
      lock.release();
    }
  },
});

/** Steps of the schema only add, so nodes of both releases go on by the same database. */
function inPostgres(): KhachapuriError {
  const message =
    "this provider's ledger is in PostgreSQL, which the release before reads as it is";
  return new KhachapuriError("invalid_config", message, {
    hints: ["there is nothing to take back: khachapuri upgrade --rollback, node after node"],
  });
}
