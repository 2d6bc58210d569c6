/**
 * Mutants that some test has to notice, whatever sample is drawn: each is a mistake that would cost
 * a payer or the provider. A rewrite moves a place: `from` then says the same of the new code.
 */
import type { NamedMutant } from "./typescript_target.ts";

const JOURNAL = "lib/provider/ledger/journal.ts";
const JUDGE = "lib/provider/ledger/judge.ts";
const LEDGER = "lib/provider/ledger/sqlite_ledger.ts";
const CREDITS = "lib/provider/money/credits.ts";
const PAYERS = "lib/provider/money/payers.ts";
const SETTLEMENT = "lib/provider/settlement/settlement.ts";
const PAYMENTS = "lib/provider/settlement/payments.ts";
const PERMIT = "lib/permit.ts";

const IN_JOURNAL: readonly NamedMutant[] = [
  {
    name: "a prepaid charge counts as due",
    file: JOURNAL,
    from: "else if (lane.charged > lane.settled) owe(book, lane, price);",
    to: "else owe(book, lane, price);",
  },
  {
    name: "a settled lane stays refused",
    file: JOURNAL,
    from: "lane.settledBlock = entry.block;\n      lane.refused = null;",
    to: "lane.settledBlock = entry.block;",
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
    file: LEDGER,
    from: "if (!isLevel || known.settledBlock > block)",
    to: "if (!isLevel)",
  },
  {
    name: "a fork passes over refused lanes",
    file: LEDGER,
    from: "settledBlock > block || refused !== null",
    to: "settledBlock > block",
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
    from: "if (lane && lane.refused !== null && !mayMend(lane, draw.permit)) {",
    to: "if (false) {",
  },
  {
    name: "deadline off by one",
    file: PERMIT,
    from: "deadline >= nowSeconds + seconds",
    to: "deadline > nowSeconds + seconds",
  },
  {
    name: "credits of 256 bits parse",
    file: PERMIT,
    from: "credits: uintShape(128)",
    to: "credits: uintShape(256)",
  },
];

const IN_ADMISSION: readonly NamedMutant[] = [
  {
    name: "a no is said on an old view",
    file: CREDITS,
    from: "if (isFinal || this.options.now() - view.at < REFUSAL_AGE_MS) return { answer, view };",
    to: "return { answer, view };",
  },
  {
    name: "the view is not read anew after a credit was taken",
    file: CREDITS,
    from: "payers.forget(bill.payer);",
    to: "",
  },
  {
    name: "what was settled since is not in the ceiling",
    file: PAYERS,
    from: "sum += settled.get(lane)! - before;",
    to: ";",
  },
];

const IN_SETTLEMENT: readonly NamedMutant[] = [
  {
    name: "a row that was overtaken refuses its lane",
    file: SETTLEMENT,
    from: 'if (reason === "AlreadyCharged") return await this.level(lane);',
    to: "",
  },
  {
    name: "no part payment",
    file: SETTLEMENT,
    from:
      'if (reason === "InsufficientCredits" && await this.#capToRest(lane, transaction)) return;',
    to: "",
  },
  {
    name: "a lost race is a refusal",
    file: SETTLEMENT,
    from: "if (!lane || lane.settled >= credits) continue;",
    to: "if (!lane) continue;",
  },
  {
    name: "a reverted batch goes unnoticed",
    file: SETTLEMENT,
    from: 'if (receipt.status !== "success") throw new Error("the batch reverted");',
    to: "",
  },
  {
    name: "the same is sent for ever",
    file: SETTLEMENT,
    from: "if (sent.length > 0 && !this.#hasProgress(sent, sentCaps, due)) {",
    to: "if (false) {",
  },
  {
    name: "what is asked for meanwhile is forgotten",
    file: SETTLEMENT,
    from: "} while (this.#isAskedAgain);",
    to: "} while (false);",
  },
  {
    name: "the amount at which to settle is off by one",
    file: SETTLEMENT,
    from: "if (ledger.totals().unsettled >= amount)",
    to: "if (ledger.totals().unsettled > amount)",
  },
  {
    name: "notice does not settle",
    file: PAYMENTS,
    from:
      'if (eventName === "RevokeStarted" || eventName === "EpochBumped") settlement.settleNow();',
    to: "",
  },
];

export const NAMED: readonly NamedMutant[] = [
  ...IN_JOURNAL,
  ...IN_JUDGEMENT,
  ...IN_ADMISSION,
  ...IN_SETTLEMENT,
];
