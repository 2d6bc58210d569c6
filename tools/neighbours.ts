/** The rule for tests: every source of the provider has its own beside it, or a reason. */
import { isTest, isTypeScript, type SourceFile } from "./tidy.ts";

const PROVIDER = "lib/provider/";
const RUNS = /^(?:export )?(?:async )?(?:function|class|const|let)\b/m;

/** Sources without a test beside them, and what tests them instead. */
export const TESTED_ELSEWHERE: Readonly<Record<string, string>> = {
  "lib/provider/acme/acme_crypto.d.ts": "types of a package, which acme_library_test.ts uses",
  "lib/provider/acme/alpn_challenge.ts":
    "tls_door_test.ts shows what it makes, tests/acme_test.ts to a real authority",
  "lib/provider/acme/ca_session.ts": "tests/acme_test.ts and acme_failures_test.ts order by it",
  "lib/provider/acme/dns_challenge.ts": "tests/acme_test.ts has a wildcard by it",
  "lib/provider/acme/dns_exchange.ts": "tests/acme_test.ts speaks by it to a real name server",
  "lib/provider/acme/dns_octets.ts": "dns_update_test.ts writes with it",
  "lib/provider/acme/dns_spread.ts": "tests/acme_test.ts waits by it for a real zone",
  "lib/provider/acme/orders.ts": "tests/acme_failures_test.ts has orders fail at each step",
  "lib/provider/acme/report.ts":
    "words, which tests/acme_provider_test.ts and certificate_look_test.ts read",
  "lib/provider/acme/tls_folder.ts":
    "keeper_test.ts and tests/acme_failures_test.ts keep and damage what is in it",
  "lib/provider/acme/waiting.ts": "tests/acme_failures_test.ts waits by it",
  "lib/provider/door/certificate_room.ts":
    "only puts parts together: tests/acme_provider_test.ts serves by what it opens",
  "lib/provider/wire/challenge_handshake.ts":
    "tls_door_test.ts shakes hands with it, tests/acme_test.ts by a real authority",
  "lib/provider/backup/archive.ts": "backup_test.ts writes with it, restore_test.ts reads with it",
  "lib/provider/backup/manifest.ts": "restore_test.ts has every kind of it that is refused",
  "lib/provider/backup/places.ts": "backup_test.ts says what is in a backup and what is not",
  "lib/provider/backup/written.ts": "restore_test.ts restores what it writes",
  "lib/provider/control/control_client.ts": "control_server_test.ts asks with it",
  "lib/provider/denial/denial.ts": "words of a denial, which denials_test.ts reads",
  "lib/provider/denial/denial_book.ts": "rows that denials_test.ts writes and reads",
  "lib/provider/denial/welcome.ts": "an interface and its empty form, which denials_test.ts asks",
  "lib/provider/metrics/catalog.ts":
    "gauges_test.ts and tools/metrics_page_test.ts compare with it",
  "lib/provider/metrics/catalog_of_calls.ts": "a part of catalog.ts",
  "lib/provider/metrics/catalog_of_fleet.ts": "a part of catalog.ts",
  "lib/provider/metrics/catalog_of_machine.ts": "a part of catalog.ts",
  "lib/provider/metrics/catalog_of_money.ts": "a part of catalog.ts",
  "lib/provider/call/slot_refusals.ts": "slots_test.ts reads what it says",
  "lib/provider/call/taken_slot.ts": "slots_test.ts takes, extends and frees them",
  "lib/provider/call/waiting_room.ts": "slots_test.ts waits in it, and hangs up",
  "lib/provider/call/key_refusals.ts": "words, which idempotency_test.ts is refused with",
  "lib/provider/call/sqlite_idempotency.ts": "idempotency_test.ts keeps answers in it",
  "lib/provider/call/idempotency_seat.ts":
    "handover/desk_test.ts and door/tenancy_test.ts take keys by it, before and after a change",
  "lib/provider/deployment/shared_outbox.ts":
    "shared_records_test.ts kills before it is sent, and brings a lone provider's records by it",
  "lib/provider/door/fleet_books.ts":
    "tests/fleet_test.ts opens three of them, and has them do what a provider does",
  "lib/provider/door/fleet_estate.ts": "tests/fleet_test.ts has a node reload, and leave",
  "lib/provider/door/local_records.ts": "wiring_test.ts and tests/fleet_test.ts serve by them",
  "lib/provider/door/own_books.ts": "wiring_test.ts opens them, tenancy_test.ts passes them on",
  "lib/provider/door/estate.ts": "only leads to what there is: tenancy_test.ts passes it on",
  "lib/provider/door/handing_over.ts": "tenancy_test.ts has it hand over, and take back",
  "lib/provider/door/listening.ts": "handover/carrier_test.ts and serve_test.ts listen by it",
  "lib/provider/door/prepare.ts": "wiring_test.ts and serve_test.ts open what it prepares",
  "lib/provider/door/taking_over.ts": "tenancy_test.ts takes over by it",
  "lib/provider/ledger/ledger_seat.ts": "handover/desk_test.ts moves it to another ledger",
  "lib/provider/ledger/purchases_seat.ts": "lib/seat_test.ts moves a seat; this one only names",
  "lib/provider/settlement/exact/settler_seat.ts":
    "handover/desk_test.ts moves it while a payment is under way",
  "lib/provider/settlement/operator_questions.ts":
    "operator_test.ts simulates by it, operator_fees_test.ts asks it for the price of gas",
  "lib/provider/settlement/recording.ts":
    "payments_chain_test.ts and fleet/fleet_payments_test.ts have the chain tell it all",
  "lib/provider/settlement/settling_parts.ts": "payments_test.ts sends by what it opens",
  "lib/provider/settlement/fleet/tenure.ts": "fleet_payments_test.ts begins and ends them",
  "lib/provider/settlement/relay_turns.ts":
    "relays_test.ts takes turns by it, until there are none",
  "lib/provider/wire/place.ts": "listener_test.ts listens at places, and where it cannot",
  "lib/provider/naming/dns_packet.d.ts": "types of a package, which dns_message_test.ts uses",
  "lib/provider/naming/open_names.ts": "only puts parts together: names_test.ts uses what it opens",
  "lib/provider/door/content_room.ts":
    "only puts parts together: tests/push_test.ts pushes to what it opens",
  "lib/provider/door/pay_style.ts": "text: pay_page_test.ts has it on a page",
  "lib/provider/http/page_scripts.ts": "generated: tools/page_scripts_test.ts makes it again",
  "lib/provider/http/page_style.ts": "text: page_html_test.ts has it on a page, and its contrasts",
  "lib/provider/ledger/prepared.ts": "every reading of journal_reader_test.ts prepares by it",
  "lib/provider/fleet/schema/answers.ts":
    "call/postgres_idempotency_test.ts has nodes answer by it, and its histories crash them",
  "lib/provider/fleet/schema/imports.ts":
    "SQL, which ledger/transfer/to_postgres_test.ts has carried out",
  "lib/provider/fleet/schema/leadership.ts": "SQL, which leadership_test.ts has carried out",
  "lib/provider/fleet/schema/ledger_tables.ts": "SQL, which migrations_test.ts has carried out",
  "lib/provider/fleet/schema/outbox.ts":
    "SQL, which postgres_outbox_store_test.ts and wish_desk_test.ts have carried out",
  "lib/provider/content/peer_blocks.ts":
    "tests/fleet_test.ts reads what another node has, peer_door_test.ts answers for whom",
  "lib/provider/fleet/schema/pruning.ts": "SQL, which journal_pruning_test.ts has carried out",
  "lib/provider/fleet/schema/purchases.ts": "SQL, which purchase_book_test.ts has carried out",
  "lib/provider/fleet/schema/sessions.ts": "SQL, which sessions_test.ts has carried out",
  "lib/provider/fleet/schema/lane_after.ts": "SQL, which turn_test.ts has carried out",
  "lib/provider/fleet/schema/turn_of_one.ts": "SQL, which turn_test.ts has carried out",
  "lib/provider/fleet/schema/settings.ts":
    "SQL, which settings_test.ts, buckets_test.ts and shared_last_relays_test.ts have carried out",
  "lib/provider/fleet/schema/runs.ts": "SQL, which shared_runs_test.ts has carried out",
  "lib/provider/fleet/schema/shared.ts": "SQL, which shared_log_test.ts has carried out",
  "lib/provider/ledger/postgres/lane_desk.ts": "what is queued, which both_ledgers_test.ts queues",
  "lib/provider/ledger/postgres/lane_json.ts": "both_ledgers_test.ts compares what it reads",
  "lib/provider/ledger/postgres/lane_reader.ts": "both_ledgers_test.ts compares all that it reads",
  "lib/provider/ledger/postgres/payer_desk.ts": "both_ledgers_test.ts judges and turns by it",
  "lib/provider/ledger/transfer/format.ts": "import_test.ts has its lines go from store to store",
  "lib/provider/ledger/transfer/from_postgres.ts":
    "import_test.ts and to_postgres_test.ts read back by it",
  "lib/provider/ledger/transfer/totals.ts": "file_test.ts and import_test.ts compare by it",
  "lib/provider/ledger/told_lane.ts": "postgres/both_ledgers_test.ts compares what both tell by it",
  "lib/provider/ledger/postgres/payer_desks.ts":
    "postgres_ledger_test.ts has it forget who was never known",
  "lib/provider/ledger/postgres/payer_lanes.ts": "both_ledgers_test.ts judges on what it knows",
  "lib/provider/ledger/postgres/purchase_json.ts":
    "rows of the fleet's book that purchase_book_test.ts writes and reads",
  "lib/provider/ledger/postgres/pump.ts": "postgres_ledger_test.ts has it meet all kinds of calls",
  "lib/provider/ledger/postgres/turn.ts": "both_ledgers_test.ts takes turns by it",
  "lib/provider/ledger/archive/archiver.ts": "maintenance_test.ts has it crash at every step",
  "lib/provider/ledger/archive/party_set.ts": "journal_reader_test.ts filters by it",
  "lib/provider/ledger/archive/receipts.ts": "maintenance_test.ts asks it for each receipt",
  "lib/provider/ledger/archive/schema.ts": "tables and borders, which maintenance_test.ts moves",
  "lib/provider/ledger/archive/span_index.ts": "journal_reader_test.ts counts what it saves",
  "lib/provider/ledger/archive/totals.ts": "proof_test.ts proves the journal by it",
  "lib/provider/ledger/purchase_rows.ts":
    "rows of the book that purchase_book_test.ts and purchases_model_test.ts write and read",
  "lib/provider/money/exact/failure.ts":
    "words alone, which exact_test.ts and exact_settlement_test.ts read",
  "lib/provider/door/watched.ts":
    "only puts parts together: tests/monitoring_test.ts reads what it watches",
  "lib/provider/door/workplaces.ts": "only puts parts together: wiring_test.ts calls what it opens",
};

/** Sources that run something and have neither, and reasons that are not needed. */
export function neighbourComplaints(
  files: readonly SourceFile[],
  reasons: Readonly<Record<string, string>> = TESTED_ELSEWHERE,
): string[] {
  const paths = new Set(files.map(({ path }) => path));
  const hasTest = (path: string) => paths.has(path.replace(/\.ts$/, "_test.ts"));
  const bare = files
    .filter((file) => isTypeScript(file) && file.path.startsWith(PROVIDER))
    .filter(({ path, text }) => !isTest(path) && !hasTest(path) && RUNS.test(text))
    .map(({ path }) => path);
  return [
    ...bare
      .filter((path) => !Object.hasOwn(reasons, path))
      .map((path) => `${path}: no test beside it and no reason`),
    ...Object.keys(reasons)
      .filter((path) => !bare.includes(path))
      .map((path) => `${path}: needs no reason`),
  ];
}
