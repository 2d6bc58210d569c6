/**
 * Mutants that some test has to notice, whatever sample is drawn: each is a mistake that would cost
 * a payer or the provider. A rewrite moves a place: `from` then says the same of the new code.
 */
import { FLEET_NAMED } from "./money_named_fleet.ts";
import { SETTLEMENT_NAMED } from "./money_named_settlement.ts";
import type { NamedMutant } from "./typescript_target.ts";

const BOOK = "lib/provider/ledger/book.ts";
const JOURNAL = "lib/provider/ledger/journal.ts";
const JUDGE = "lib/provider/ledger/judge.ts";
const LANE_PERMITS = "lib/provider/ledger/lane_permits.ts";
const LEDGER = "lib/provider/ledger/sqlite_ledger.ts";
const USED_UP = "lib/provider/ledger/used_up.ts";
const TARIFF = "lib/provider/deployment/tariff.ts";
const TARIFF_BOOK = "lib/provider/deployment/tariff_book.ts";
const BILL = "lib/provider/money/bill.ts";
const CREDITS = "lib/provider/money/credits.ts";
const INQUIRY = "lib/provider/money/inquiry.ts";
const LIMITS = "lib/provider/money/read_limits.ts";
const VIEWS = "lib/provider/money/view_reader.ts";
const PAID_TIME = "lib/provider/call/paid_time.ts";
const PERMIT = "lib/permit.ts";
const CLAIMS = "lib/client/lane_claims.ts";

const IN_JOURNAL: readonly NamedMutant[] = [
  {
    name: "a prepaid charge counts as due",
    file: JOURNAL,
    from: "else if (isUnpaid) owe(book, lane, price);",
    to: "else owe(book, lane, price);",
  },
  {
    name: "a settled lane stays refused",
    file: JOURNAL,
    from: "lane.settledBlock = entry.block;\n      lane.refused = null;",
    to: "lane.settledBlock = entry.block;",
  },
  {
    name: "what is written off counts as due",
    file: JOURNAL,
    from: "if (lane.refused !== null) {",
    to: "if (false) {",
  },
  {
    name: "what is prepaid is not summed up",
    file: JOURNAL,
    from: "account.prepaid += prepaid(lane);",
    to: "",
  },
  {
    name: "a settlement that is heard late takes a newer one back",
    file: LEDGER,
    from: 'if (fact.fact === "settled" && lane.settled >= fact.settled) return null;',
    to: "",
  },
  {
    name: "a settlement after the view's block is not read",
    file: BOOK,
    from: "for (const known of account?.settledLately?.above(block) ?? []) {",
    to: "for (const known of []) {",
  },
  {
    name: "a fork passes over refused lanes",
    file: LEDGER,
    from: "for (const lane of uneven) if (lane.refused !== null) lanes.add(lane);",
    to: "",
  },
  {
    name: "a permit is replaced by a worse one",
    file: LANE_PERMITS,
    from:
      "return lastsAsLong(one, other) && one.credits >= other.credits && one.price >= other.price;",
    to: "return true;",
  },
  {
    name: "a credit is settled by the permit that ends first",
    file: LANE_PERMITS,
    from: "if (a !== b) return a > b;",
    to: "if (a !== b) return a < b;",
  },
  {
    name: "a permit with a credit left is shown as proof",
    file: USED_UP,
    from: "const firstLeft = next.findIndex(({ credits }) => credits > charged);",
    to: "const firstLeft = next.findIndex(({ credits }) => credits > charged + 1n);",
  },
];

const IN_JUDGEMENT: readonly NamedMutant[] = [
  {
    name: "what is prepaid elsewhere is given away",
    file: JUDGE,
    from: " - prepaidElsewhere(account, id)",
    to: "",
  },
  {
    name: "permit price ignored",
    file: JUDGE,
    from: 'return permit.price < price ? { reason: "permit_price", allowed: permit.price } : null;',
    to: "return null;",
  },
  {
    name: "allowance price ignored",
    file: JUDGE,
    from: "if (view.credits === 0n || view.pricePerCredit >= price) return null;",
    to: "return null;",
  },
  {
    name: "a refused lane is served",
    file: JUDGE,
    from: "if (lane && lane.refused !== null && !mends(draw.permit, lane, lane.refused, view)) {",
    to: "if (false) {",
  },
  {
    name: "credits on lanes that are not worth a row are served",
    file: JUDGE,
    from: 'if (needed > locked) return { reason: "dust_lanes", lanes, locked, needed };',
    to: "",
  },
  {
    name: "a backlog is promised more",
    file: JUDGE,
    from: "const retryAfterSeconds = backlog(lanes);",
    to: "const retryAfterSeconds = null;",
  },
  {
    name: "more is promised than the operator may settle",
    file: JUDGE,
    from: "if (limit) return limit;",
    to: "",
  },
  {
    name: "what was promised for longer is held by a shorter permit",
    file: JUDGE,
    from: "if (permitsWith(lane, added, usedOn(draw, view, position)) !== null) return null;",
    to: "return null;",
  },
  {
    name: "deadline off by one",
    file: PERMIT,
    from: "deadline >= nowSeconds + seconds",
    to: "deadline > nowSeconds + seconds",
  },
  {
    name: "end of an epoch off by one",
    file: PERMIT,
    from: "nowSeconds + seconds < held.epochEnd",
    to: "nowSeconds + seconds <= held.epochEnd",
  },
  {
    name: "credits of 256 bits parse",
    file: PERMIT,
    from: "credits: uintShape(128)",
    to: "credits: uintShape(256)",
  },
];

const IN_PRICES: readonly NamedMutant[] = [
  {
    name: "an earlier price is kept for ever",
    file: TARIFF,
    from: "const isKept = at < endOf(keep.price, since) && kept < asked;",
    to: "const isKept = kept < asked;",
  },
  {
    name: "a price that was lowered for a while is kept by who came before",
    file: TARIFF,
    from: "const kept = price > agreed ? price : agreed;",
    to: "const kept = price;",
  },
  {
    name: "who comes after a change has the price of before",
    file: TARIFF_BOOK,
    from: "this.#insert.run(cid, this.#offered.tariffs.length - 1);",
    to: "this.#insert.run(cid, 0);",
  },
  {
    name: "a change of price is not noted",
    file: TARIFF_BOOK,
    from: "if (index >= known) this.#insertTariff(index, tariff);",
    to: "",
  },
  {
    name: "a caller has the price that is kept for a deployment's owner",
    file: BILL,
    from: 'return billOf(cid, "caller", permit, this.seller.price, deposit);',
    to: 'return billOf(cid, "caller", permit, this.ownerPrices.priceOf(cid), deposit);',
  },
];

const IN_ADMISSION: readonly NamedMutant[] = [
  {
    name: "a no is said on an old view",
    file: INQUIRY,
    from: "if (!mayChange(first.answer) || now() - view.at < REFUSAL_AGE_MS) return first;",
    to: "return first;",
  },
  {
    name: "a permit of somebody else's is judged",
    file: INQUIRY,
    from: "signer === view.signer ? await question(view) : wrongSignerNo(view)",
    to: "await question(view)",
  },
  {
    name: "a forged permit has the chain asked",
    file: INQUIRY,
    from: "if (forged) return forged;",
    to: "",
  },
  {
    name: "without a chain everybody is served",
    file: INQUIRY,
    from: "const isServed = ledger.knows(payer, lane) && exposure <= policy.offlineAmount;",
    to: "const isServed = true;",
  },
  {
    name: "strangers use up the payers' share",
    file: LIMITS,
    from: "if (asker.isKnown && asker.isProven) return this.#admitPayer(asker, occasion);",
    to: "",
  },
  {
    name: "a run's further credit is charged twice",
    file: CREDITS,
    from: "    this.#ahead = null;\n    this.#credits += 1;",
    to: "    this.#credits += 1;",
  },
  {
    name: "a further credit that comes after the run's end stays held",
    file: CREDITS,
    from: "if (this.#isOver) this.giveBack();",
    to: "",
  },
  {
    name: "a run that ends gives nothing back",
    file: CREDITS,
    from: "    this.#isOver = true;\n    this.giveBack();",
    to: "    this.#isOver = true;",
  },
  {
    name: "a run's time begins with the credit that was taken ahead",
    file: PAID_TIME,
    from: "    run.extend(creditMs);\n    this.#wait(() => this.#overAt(), () => this.#begin());",
    to: "    run.extend(creditMs);\n    this.#begin();",
  },
  {
    name: "a run takes one credit more than it may",
    file: PAID_TIME,
    from: "if (this.parts.hold.credits >= this.parts.creditsMax) return;",
    to: "if (this.parts.hold.credits > this.parts.creditsMax) return;",
  },
  {
    name: "a credit that the sandbox hears of too late is charged",
    file: PAID_TIME,
    from: "if (isLate || this.#isStopped) return this.#giveBack();",
    to: "if (this.#isStopped) return this.#giveBack();",
  },
  {
    name: "the view is not read anew after a credit was taken",
    file: CREDITS,
    from: "payers.forget(bill.payer);",
    to: "",
  },
  {
    name: "what was settled since is not in the ceiling",
    file: VIEWS,
    from: "else taken += counters[index]! - before;",
    to: "",
  },
  {
    name: "credits that leave are promised",
    file: VIEWS,
    from: "ceiling: credits - thawingCredits + taken,",
    to: "ceiling: credits + taken,",
  },
];

const IN_CHECKPOINTS: readonly NamedMutant[] = [
  {
    name: "a start counts once more what a lane counts already",
    file: "lib/provider/ledger/book_reader.ts",
    from: "seq <= (counted.get(found) ?? 0)",
    to: "false",
  },
  {
    name: "a lane that came back counts in its payer's sums twice",
    file: "lib/provider/ledger/lane_table.ts",
    from: "[before, -1]",
    to: "[undefined, -1]",
  },
  {
    name: "the mark moves before the lanes are kept",
    file: "lib/provider/ledger/checkpoint.ts",
    from: "    try {\n      await this.#keep([...touched], false);",
    to: "    moveMark(mark);\n    try {\n      await this.#keep([...touched], false);",
  },
];

const IN_CALLS: readonly NamedMutant[] = [
  {
    name: "a call takes any proof of a lane's count",
    file: CLAIMS,
    from: "await assertSigned(proof, key, signer);",
    to: "",
  },
  {
    name: "a call's own permit proves that it was used",
    file: CLAIMS,
    from: "claim.proof && !this.#own.has(claim.proof.signature)",
    to: "claim.proof",
  },
  {
    name: "a call believes a provider each time anew",
    file: CLAIMS,
    from: "this.#believed += amount;",
    to: "",
  },
];

export const NAMED: readonly NamedMutant[] = [
  ...IN_JOURNAL,
  ...IN_JUDGEMENT,
  ...IN_PRICES,
  ...IN_ADMISSION,
  ...SETTLEMENT_NAMED,
  ...FLEET_NAMED,
  ...IN_CHECKPOINTS,
  ...IN_CALLS,
];
