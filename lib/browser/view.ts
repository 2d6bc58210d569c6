/** What is known of the payer, shown. */
import { formatUsdc } from "../usdc_text.ts";
import { planOf } from "./add_credits.ts";
import { byId, make } from "./dom.ts";
import { LANE_LABELS } from "./payments.ts";
import type { DueLane } from "./provider.ts";
import { countOf, grouped, type Session } from "./session.ts";
import { clientLane } from "./typed_data.ts";
import { checksummed } from "./words.ts";
import { wordsOf } from "./trouble.ts";

const usdc = (amount: bigint) => `${formatUsdc(amount)} USDC`;

/** A time of the chain as the person's own clock has it. */
export function timeOf(seconds: bigint): string {
  const options = { dateStyle: "medium", timeStyle: "short" } as const;
  return new Date(Number(seconds) * 1000).toLocaleString(undefined, options);
}

export function showSession(session: Session): void {
  const { funds, wallet } = session;
  byId("account").textContent = checksummed(wallet.address);
  byId("in-wallet").textContent = usdc(funds.wallet);
  byId("free").textContent = usdc(funds.free);
  byId("allowed").textContent = allowedText(session);
  byId("thawing").textContent = thawingText(session);
  showWays(session);
  showReclaim(session);
}

function allowedText({ funds: { allowance } }: Session): string {
  const { credits, pricePerCredit } = allowance;
  if (credits === 0n) return "nothing yet";
  const locked = credits * pricePerCredit;
  return `${countOf(credits)} at ${usdc(pricePerCredit)} each, ${usdc(locked)} locked`;
}

function thawingText({ funds: { allowance, now } }: Session): string {
  const { thawingCredits, thawEnd, pricePerCredit, epochEnd } = allowance;
  const parts: string[] = [];
  if (thawingCredits > 0n) {
    const what = `${grouped(thawingCredits)} of them (${usdc(thawingCredits * pricePerCredit)})`;
    parts.push(
      thawEnd > now ? `${what} thawing until ${timeOf(thawEnd)}` : `${what} thawed: reclaim them`,
    );
  }
  if (epochEnd > now) parts.push(`permits signed so far are void from ${timeOf(epochEnd)}`);
  return parts.join("; ") || "nothing";
}

/** Which of the two ways there is for each step, and what it costs. */
function showWays({ offer, relayFee }: Session): void {
  const { depositMinimum } = offer;
  byId("add-signature").disabled = depositMinimum === null;
  byId("add-note").textContent = depositMinimum === null
    ? "The provider sends no deposits now, so it takes transactions, and gas of yours."
    : `By signature the provider pays the gas, for deposits from ${usdc(depositMinimum)} on.`;
  for (const step of ["revoke", "reclaim", "withdraw", "void"]) {
    byId(`${step}-signature`).disabled = relayFee === null;
  }
  byId("back-note").textContent = relayFee === null
    ? "This provider sends no messages, so each step is a transaction, and takes gas of yours."
    : `By signature the provider sends it, and takes ${usdc(relayFee)} of your free balance ` +
      "for it; by transaction you pay the gas.";
  const { exact } = offer;
  byId("exact-way").hidden = exact === null;
  byId("exact-price").textContent = exact === null ? "" : usdc(BigInt(exact.amount));
  byId("credit-price").textContent = usdc(offer.price);
}

function showReclaim({ funds: { allowance, now }, relayFee }: Session): void {
  const isThawed = allowance.thawingCredits > 0n && allowance.thawEnd <= now;
  byId("reclaim-transaction").disabled = !isThawed;
  byId("reclaim-signature").disabled = !isThawed || relayFee === null;
  byId("reclaim-note").textContent = isThawed
    ? "It goes to your free balance."
    : allowance.thawingCredits > 0n
    ? `Possible from ${timeOf(allowance.thawEnd)} on.`
    : "Nothing thaws now.";
}

/** What the credits in the form cost; whatever stands there. */
export function showCost(session: Session, added: () => bigint): void {
  const note = byId("add-cost");
  try {
    const plan = planOf(session, added());
    const thawing = session.funds.allowance.thawingCredits > 0n
      ? " What thaws now stays allowed instead."
      : "";
    note.textContent = `Locks ${usdc(plan.cost)}: ${countOf(plan.credits)} in all.${thawing}`;
  } catch (error) {
    note.textContent = wordsOf(error);
  }
}

/** Whether the chain says the same of what is allowed; when not, what was unsettled may not be. */
export function isSameAllowance({ funds: one }: Session, { funds: other }: Session): boolean {
  const names = ["credits", "pricePerCredit", "thawingCredits", "epoch"] as const;
  return names.every((name) => one.allowance[name] === other.allowance[name]);
}

/** What the page was sent with: nobody has proved yet whose lanes are asked for. */
const unproved = byId("unsettled").textContent;

/** What is unsettled has to be asked for again. */
export function forgetLanes(): void {
  byId("unsettled").textContent = unproved;
  byId("lanes").hidden = true;
  byId("lane-rows").replaceChildren();
}

/** Lanes with credits that the escrow has not taken yet. */
export function showLanes(session: Session, due: readonly DueLane[]): void {
  const { wallet: { address } } = session;
  const labels = Object.entries(LANE_LABELS);
  const names = new Map(labels.map(([label, name]) => [clientLane(address, label), name]));
  const total = due.reduce((sum, { amount }) => sum + BigInt(amount), 0n);
  byId("unsettled").textContent = due.length === 0
    ? "nothing: all that was charged is settled"
    : `${usdc(total)} charged, and not yet taken out of what is locked`;
  byId("lanes").hidden = due.length === 0;
  byId("lane-rows").replaceChildren(...due.map(({ lane, amount }) => {
    const row = make("tr");
    const name = make("th", names.get(lane) ?? `lane ${lane.slice(0, 10)}…`);
    name.setAttribute("scope", "row");
    row.append(name, make("td", usdc(BigInt(amount))));
    return row;
  }));
}
