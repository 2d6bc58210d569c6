/** The provider's money as a target of `deno task mutate`. */
import { join } from "node:path";
import { NAMED } from "./money_named.ts";
import { typescriptTarget } from "./typescript_target.ts";

const ROOT = join(import.meta.dirname!, "..");

/** What decides over money: what runs, what it costs, what is settled and what is sent. */
export const SOURCES: readonly string[] = [
  "lib/permit.ts",
  "lib/exact_payment.ts",
  "lib/transfer_authorization.ts",
  ...among("lib/chain", ["transfer_call", "transfer_refusal"]),
  "lib/client/lane_claims.ts",
  ...among("lib/chain/outbox", ["*"]),
  ...among("lib/provider/ledger", [
    "ages",
    "book",
    "book_reader",
    "checkpoint",
    "journal",
    "judge",
    "lane",
    "lane_permits",
    "lane_state",
    "lane_table",
    "operator_room",
    "prehold",
    "purchase_rows",
    "purchases",
    "rows",
    "settled_lately",
    "used_up",
  ]),
  ...among("lib/provider/ledger/postgres", [
    "leaders_purchases",
    "postgres_purchases",
    "purchase_wishes",
  ]),
  ...among("lib/provider/money", [
    "asking",
    "bill",
    "charges",
    "credits",
    "inquiry",
    "owner_allowances",
    "owner_payment",
    "payer_events",
    "payers",
    "read_limits",
    "recent_events",
    "refusal",
    "signers",
    "view_reader",
  ]),
  ...among("lib/provider/money/exact", ["checks", "exact", "hold", "looks"]),
  ...among("lib/provider/settlement/exact", ["*"]),
  ...among("lib/provider/deployment", ["first_tariffs", "tariff", "tariff_book"]),
  ...among("lib/provider/settlement", ["*"]),
  ...among("lib/provider/call", ["paid_time"]),
];

function among(folder: string, names: readonly string[]): string[] {
  return names.map((name) => `${folder}/${name}.ts`);
}

export const moneyTarget = typescriptTarget({
  root: ROOT,
  copied: [
    "deno.json",
    "deno.lock",
    "lib",
    "worlds",
    "sandbox",
    "tools",
    "contracts/deployments.json",
    "contracts/test",
  ],
  sources: SOURCES,
  named: NAMED,
  tests: {
    last: [
      "lib/provider/ledger/sqlite_ledger_histories_test.ts",
      "lib/provider/ledger/used_up_histories_test.ts",
      "lib/provider/settlement/revival_test.ts",
      "lib/provider/settlement/promise_test.ts",
      "lib/provider/settlement/named_histories_test.ts",
      "lib/chain/outbox/outbox_test.ts",
      "lib/provider/fleet/schema/turn_test.ts",
      "lib/provider/fleet/leadership_test.ts",
      "lib/provider/settlement/postgres_outbox_store_test.ts",
      "lib/provider/settlement/fleet/sending_histories_test.ts",
    ],
    // A minute each; what they notice, tests beside the sources have to notice sooner.
    without: [
      "lib/provider/settlement/adversary_test.ts",
      "lib/provider/settlement/payments_load_test.ts",
      // Its steps race a real clock: on a busy machine it fails by itself now and then.
      "lib/provider/settlement/payments_test.ts",
    ],
  },
  survivors: join(ROOT, "tools/money_survivors.json"),
  minutes: 10,
  hangMs: 15_000,
});
