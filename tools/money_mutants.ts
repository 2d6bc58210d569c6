/** The provider's money as a target of `deno task mutate`. */
import { join } from "node:path";
import { NAMED } from "./money_named.ts";
import { typescriptTarget } from "./typescript_target.ts";

const ROOT = join(import.meta.dirname!, "..");

/** What decides over money: what runs, what it costs, what is settled and what is sent. */
export const SOURCES: readonly string[] = [
  "lib/permit.ts",
  "lib/chain/outbox/*.ts",
  "lib/provider/ledger/journal.ts",
  "lib/provider/ledger/judge.ts",
  "lib/provider/ledger/operator_room.ts",
  "lib/provider/ledger/prehold.ts",
  "lib/provider/money/asking.ts",
  "lib/provider/money/credits.ts",
  "lib/provider/money/payers.ts",
  "lib/provider/money/signers.ts",
  "lib/provider/settlement/*.ts",
];

export const moneyTarget = typescriptTarget({
  root: ROOT,
  copied: [
    "deno.json",
    "deno.lock",
    "lib",
    "worlds",
    "sandbox",
    "contracts/deployments.json",
    "contracts/test",
  ],
  sources: SOURCES,
  named: NAMED,
  tests: {
    last: [
      "lib/provider/ledger/sqlite_ledger_histories_test.ts",
      "lib/chain/outbox/outbox_test.ts",
      "lib/chain/outbox/plan_test.ts",
    ],
    // Its steps race a real clock: on a busy machine it fails by itself now and then.
    without: ["lib/provider/settlement/payments_test.ts"],
  },
  survivors: join(ROOT, "tools/money_survivors.json"),
  minutes: 10,
  hangMs: 15_000,
});
