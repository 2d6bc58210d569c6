/** Of the mutants that some test has to notice (money_named.ts): what is settled and sent. */
import type { NamedMutant } from "./typescript_target.ts";

const SETTLEMENT = "lib/provider/settlement/settlement.ts";
const BATCH_SENDER = "lib/provider/settlement/batch_sender.ts";
const ROUND = "lib/provider/settlement/round.ts";
const TURN = "lib/provider/settlement/turn.ts";
const WORTH = "lib/provider/settlement/worth.ts";
const FLIGHTS = "lib/provider/settlement/flights.ts";
const OUTCOMES = "lib/provider/settlement/outcomes.ts";
const REVIVAL = "lib/provider/settlement/revival.ts";
const RECORDING = "lib/provider/settlement/recording.ts";
const PACE = "lib/provider/settlement/pace.ts";
const ONBOARDING = "lib/provider/settlement/onboarding.ts";
const FEES = "lib/chain/outbox/fees.ts";
const PLAN = "lib/chain/outbox/plan.ts";
const TURNS = "lib/chain/outbox/turns.ts";

const IN_ROUNDS: readonly NamedMutant[] = [
  {
    name: "turn order inverted",
    file: TURN,
    from: "return one.at < other.at ||",
    to: "return one.at > other.at ||",
  },
  {
    name: "notice is no end",
    file: TURN,
    from: "if (ends.thawEnd > 0n) end = Math.min(end, Number(ends.thawEnd));",
    to: "",
  },
  {
    name: "worth ignored",
    file: WORTH,
    from: "return bearable >= costOf(gas, terms.gasPrice, terms.coinPrice);",
    to: "return true;",
  },
  {
    name: "everything can wait",
    file: WORTH,
    from: "return end - windowSeconds > now && due.since / 1_000 + DUST_SECONDS > now;",
    to: "return true;",
  },
  {
    name: "dust waits for ever",
    file: WORTH,
    from: "return end - windowSeconds > now && due.since / 1_000 + DUST_SECONDS > now;",
    to: "return end - windowSeconds > now;",
  },
  {
    name: "a batch may cost anything",
    file: WORTH,
    from: "return weiOf(most, coinPrice);",
    to: "return null;",
  },
  {
    name: "a batch is sent for less than it costs",
    file: ROUND,
    from: "if (rows.length > 0 && isWorth(debts, gas, this.terms)) return { rows, debts };",
    to: "if (rows.length > 0) return { rows, debts };",
  },
  {
    name: "what is on its way is due",
    file: FLIGHTS,
    from: "if (!newest || this.#isStuck(newest)) return due;",
    to: "return due;",
  },
  {
    name: "what is settled is held to be on its way",
    file: FLIGHTS,
    from: "let counted = settled;",
    to: "let counted = 0n;",
  },
  {
    name: "what two batches carry is on its way twice",
    file: FLIGHTS,
    from: "counted = upTo;",
    to: "",
  },
  {
    name: "what is on its way is sent twice",
    file: SETTLEMENT,
    from: "const settled = this.#flights.upTo(due, debtCanWait) ?? lane.settled;",
    to: "const settled = lane.settled;",
  },
  {
    name: "what is stuck is never sent again",
    file: FLIGHTS,
    from: "return couldWait && this.now() - launchedAt >= STUCK_MS;",
    to: "return false;",
  },
  {
    name: "what cannot wait stands behind what is stuck",
    file: FLIGHTS,
    from: "return this.#out.size < (canWait ? FLIGHTS_AT_ONCE : URGENT_FLIGHTS_AT_ONCE);",
    to: "return this.#out.size < FLIGHTS_AT_ONCE;",
  },
  {
    name: "daily cap ignored",
    file: BATCH_SENDER,
    from: "if (limits === null || limits.dailyCap === 0n) return rows;",
    to: "return rows;",
  },
  {
    name: "a backlog never refuses",
    file: PACE,
    from: "if (rowSeconds <= (lanes < FEW_LANES ? mostSeconds : mostSeconds / 2)) return null;",
    to: "return null;",
  },
  {
    name: "a permit's window does not follow the backlog",
    file: SETTLEMENT,
    from: "return BigInt(this.#options.windowSeconds + 2 * this.#backlogSeconds(0));",
    to: "return BigInt(this.#options.windowSeconds);",
  },
  {
    name: "the amount at which to settle is off by one",
    file: SETTLEMENT,
    from: "if (fresh >= amount) this.#ask(null, true);",
    to: "if (fresh > amount) this.#ask(null, true);",
  },
  {
    name: "what is asked for meanwhile is forgotten",
    file: SETTLEMENT,
    from: "else this.#asks.push(Object.assign(asked, { isPutBack: true }));",
    to: "else this.#end(asked);",
  },
  {
    name: "notice does not settle",
    file: RECORDING,
    from: "if (isNotice) settlement.settlePayer(payer);",
    to: "",
  },
];

const IN_OUTCOMES: readonly NamedMutant[] = [
  {
    name: "a row that was overtaken refuses its lane",
    file: OUTCOMES,
    from: '  "AlreadyCharged",\n  "InsufficientCredits",',
    to: '  "InsufficientCredits",',
  },
  {
    name: "a row that was overtaken leaves its lane as it was",
    file: OUTCOMES,
    from: 'await level(this.options, ledger, of("AlreadyCharged"));',
    to: "",
  },
  {
    name: "no part payment",
    file: OUTCOMES,
    from: "this.#parts.set(keyOf(lane), { payer, lane: id, upTo, transaction, knownAt });",
    to: 'await this.#refuse(lane, "InsufficientCredits", transaction);',
  },
  {
    name: "the same part is sent for ever",
    file: OUTCOMES,
    from: "if (credits === 0n || this.upTo(lane) === upTo) {",
    to: "if (credits === 0n) {",
  },
  {
    name: "a lost race is a refusal",
    file: OUTCOMES,
    from: "if (!lane || lane.settled >= args.credits || hasOthers(lane, rows)) continue;",
    to: "if (!lane || hasOthers(lane, rows)) continue;",
  },
  {
    name: "a skip is held against a permit that came later",
    file: OUTCOMES,
    from: "if (!lane || lane.settled >= args.credits || hasOthers(lane, rows)) continue;",
    to: "if (!lane || lane.settled >= args.credits) continue;",
  },
  {
    name: "a reverted batch goes unnoticed",
    file: OUTCOMES,
    from: 'if (receipt.status !== "success") throw new Error("the batch reverted");',
    to: 'if (receipt.status !== "success") return false;',
  },
  {
    name: "missing events go unnoticed",
    file: OUTCOMES,
    from: "if (told.length < rows.length) {",
    to: "if (false) {",
  },
  {
    name: "lanes are revived without a simulation",
    file: REVIVAL,
    from: "if (await simulate(rows) === 0n) continue;",
    to: "",
  },
  {
    name: "lanes that more credits do not cure are revived",
    file: REVIVAL,
    from: "if (!CURABLE.has(lane.refused!) || !isTakenBy(held, lane, now)) continue;",
    to: "if (!isTakenBy(held, lane, now)) continue;",
  },
];

const IN_TRANSACTIONS: readonly NamedMutant[] = [
  {
    name: "a first fee ignores what a transaction may cost",
    file: FEES,
    from: "return capFees(freshFees(price), cap);",
    to: "return freshFees(price);",
  },
  {
    name: "a fee is raised without a reason",
    file: PLAN,
    from: "if (!hasWaited || isFresh(last, price)) return null;",
    to: "if (!hasWaited) return null;",
  },
  {
    name: "a fee is raised though no block was made",
    file: PLAN,
    from: "now - sentAt >= afterMs && sentHead !== null && price.head > sentHead",
    to: "now - sentAt >= afterMs",
  },
  {
    name: "a fee is raised though there is no coin",
    file: PLAN,
    from: "if (repair && price && !lacksCoin) {",
    to: "if (repair && price) {",
  },
  {
    name: "a relay stands in front of settlement",
    file: PLAN,
    from: 'if (rank !== "relay" || clears(last, price)) return null;',
    to: "return null;",
  },
  {
    name: "a relay is sent before settlement",
    file: TURNS,
    from: "settlement.shift() ?? relay.shift()",
    to: "relay.shift() ?? settlement.shift()",
  },
  {
    name: "a deposit is relayed time and again",
    file: ONBOARDING,
    from: "if (leftMs > 0) throw onceADay(leftMs);",
    to: "return;",
  },
  {
    name: "a deposit locks what was locked",
    file: ONBOARDING,
    from: "pricePerCredit * credits - held.pricePerCredit * held.credits",
    to: "pricePerCredit * credits",
  },
];

export const SETTLEMENT_NAMED: readonly NamedMutant[] = [
  ...IN_ROUNDS,
  ...IN_OUTCOMES,
  ...IN_TRANSACTIONS,
];
