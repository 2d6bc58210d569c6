/** The script of the payer's page: connects a wallet, and has each form do what it says. */
import { addCredits } from "./add_credits.ts";
import { type Answered, curlLine, payForCall } from "./call.ts";
import { enableCopying } from "./copy.ts";
import { all, byId, make } from "./dom.ts";
import { askLane, CALL_LANE, makeHeader, signPermit } from "./payments.ts";
import type { Terms } from "./provider.ts";
import {
  openSession,
  type Say,
  type Session,
  usdcAmount,
  type Way,
  wholeNumber,
} from "./session.ts";
import { reclaim, revoke, voidPermits, withdraw } from "./take_back.ts";
import { wordsOf } from "./trouble.ts";
import { forgetLanes, isSameAllowance, showCost, showLanes, showSession } from "./view.ts";
import { discoverWallets, type FoundWallet, Wallet } from "./wallet.ts";
import type { Hex } from "./words.ts";

const HOUR_SECONDS = 3_600n;

const terms: Terms = JSON.parse(byId("terms").textContent!);
const charged = new Map<Hex, bigint>();
let wallet: Wallet | null = null;
let session: Session | null = null;
/** One thing at a time: a wallet that is asked twice confuses everybody. */
let isBusy = false;
/** The wallet has another account or chain than was read. */
let isChanged = false;
/** Whose things the page shows; null: nobody's. */
let shownPayer: Hex | null = null;

enableCopying();
byId("connecting").hidden = false;
discoverWallets(offerWallet);
byId("switch").addEventListener("click", () => run("wallet-said", switchChain));
byId("refresh").addEventListener("click", () => run("money-said", () => Promise.resolve("")));
byId("prove").addEventListener("click", () => run("money-said", prove));
onSubmit("add", (current, way, say) => addCredits(current, added(), way, say));
onSubmit("revoke", (current, way, say) => {
  const { value } = byId("revoke-credits");
  const credits = value.trim() === "" ? null : wholeNumber(value, "Credits");
  return revoke(current, credits, way, say);
});
onSubmit("reclaim", reclaim);
onSubmit("withdraw", (current, way, say) => {
  const { value } = byId("withdraw-amount");
  return withdraw(current, value.trim() === "" ? null : usdcAmount(value), way, say);
});
onSubmit("void", voidPermits);
onSubmit("permit", permitHeader);
onSubmit("call", call);
byId("add-credits").addEventListener("input", () => session && showCost(session, added));

const added = () => wholeNumber(byId("add-credits").value, "Credits");

function offerWallet({ name, provider }: FoundWallet): void {
  const button = make("button", `Connect ${name}`);
  button.setAttribute("type", "button");
  button.addEventListener("click", () =>
    run("wallet-said", async () => {
      wallet = await Wallet.connect(provider);
      for (const event of ["accountsChanged", "chainChanged"]) provider.on?.(event, noteChange);
      await refresh();
      byId("money-heading").focus();
      return "Connected.";
    }));
  byId("wallets").append(button);
  byId("no-wallet").hidden = true;
}

/** Another account or chain is another payer. */
async function followWallet(): Promise<string> {
  isChanged = false;
  if (wallet === null) return "";
  const { provider } = wallet;
  // Where the wallet does not answer, either, nothing more is shown of who was there before.
  wallet = null;
  showConnected(null);
  wallet = await Wallet.connected(provider);
  return wallet === null ? "The wallet is not connected any more." : "";
}

function noteChange(): void {
  isChanged = true;
  if (!isBusy) run("wallet-said", followWallet);
}

async function switchChain(): Promise<string> {
  await wallet!.switchTo(terms.chainId);
  return "";
}

/** Reads everything anew; on another chain nothing is shown but the way to the right one. */
async function refresh(): Promise<void> {
  if (wallet === null) return showConnected(null);
  const chainId = await wallet.chainId();
  const isRight = chainId === terms.chainId;
  byId("wrong-chain").hidden = isRight;
  byId("wrong-chain-text").textContent =
    `Your wallet is on chain ${chainId}; this provider is paid on ${terms.chain}.`;
  showConnected(isRight ? await openSession(terms, wallet, charged) : null);
}

function showConnected(opened: Session | null): void {
  const payer = opened?.wallet.address ?? null;
  if (payer !== shownPayer) forgetPayer();
  else if (opened && session && !isSameAllowance(opened, session)) forgetLanes();
  shownPayer = payer;
  session = opened;
  for (const part of all(".connected")) part.hidden = opened === null;
  if (opened === null) return;
  showSession(opened);
  showCost(opened, added);
}

/** What one payer did and was told is nothing to the next: a header that pays least of all. */
function forgetPayer(): void {
  charged.clear();
  forgetLanes();
  hideAnswer();
  byId("header-part").hidden = true;
  byId("header").value = "";
  for (const said of all(".connected .said")) {
    said.textContent = "";
    said.className = "said";
  }
}

/** Does one thing, says what it does and came to, and shows what it has changed. */
async function run(saidIn: string, work: (say: Say) => Promise<string>): Promise<void> {
  if (isBusy) return;
  const said = byId(saidIn);
  const say: Say = (text) => said.textContent = text;
  setBusy(true);
  said.className = "said";
  try {
    const done = await work(say);
    await refresh();
    say(done);
  } catch (error) {
    said.className = "said failed";
    say(wordsOf(error));
    // Part of it may have been done; if nothing can be read, the reason stands there already.
    await refresh().catch(() => {});
  } finally {
    setBusy(false);
    if (isChanged) run("wallet-said", followWallet);
  }
}

/** Buttons stay where the focus is, and do nothing meanwhile. */
function setBusy(busy: boolean): void {
  isBusy = busy;
  for (const button of all("button")) {
    if (busy) button.setAttribute("aria-disabled", "true");
    else button.removeAttribute("aria-disabled");
  }
  byId("main").setAttribute("aria-busy", String(busy));
}

/** @param act what the form does, by the way whose button was pressed */
function onSubmit(
  id: string,
  act: (session: Session, way: Way, say: Say) => Promise<string>,
): void {
  byId(id).addEventListener("submit", (event) => {
    event.preventDefault();
    const { submitter } = event as Event & { submitter?: { value: string } };
    const way: Way = submitter?.value === "transaction" ? "transaction" : "signature";
    run(`${id}-said`, async (say) => {
      await refresh();
      return session === null ? "Switch the chain first." : await act(session, way, say);
    });
  });
}

async function prove(say: Say): Promise<string> {
  await refresh();
  if (session === null) return "";
  say("Sign in your wallet: a permit for no credit, which proves that it is you.");
  const { due } = await askLane(session, await signPermit(session, CALL_LANE, 0n, 0n));
  showLanes(session, due ?? []);
  return "";
}

async function permitHeader(current: Session, _: Way, say: Say): Promise<string> {
  const credits = wholeNumber(byId("permit-credits").value, "Calls");
  const hours = wholeNumber(byId("permit-hours").value, "Hours");
  const header = await makeHeader(current, credits, hours * HOUR_SECONDS, say);
  byId("header").value = curlLine(wishIn(), header);
  byId("header-part").hidden = false;
  return "Done: the line is below.";
}

/** The call that stands in its form. */
function wishIn() {
  const [path, method, body] = ["call-path", "call-method", "call-body"].map(byId);
  const { dataset: { type }, defaultValue, value } = body!;
  // Another body than its owner shows may well be of another type.
  const shown = type && value === defaultValue ? { type } : {};
  return { path: path!.value, method: method!.value, body: value, ...shown };
}

async function call(current: Session, _: Way, say: Say): Promise<string> {
  hideAnswer();
  const [chosen] = all("input[name=scheme]:checked");
  const scheme = chosen?.value === "exact" ? "exact" : "credits";
  const answered = await payForCall(current, { ...wishIn(), scheme }, say);
  showAnswer(answered);
  // It is charged, and was not when that was asked.
  forgetLanes();
  return answered.cost;
}

function hideAnswer(): void {
  byId("answer-part").hidden = true;
  for (const part of ["answer-status", "answer", "receipt"]) byId(part).textContent = "";
}

function showAnswer({ status, type, body, isCut, receipt }: Answered): void {
  const isText = /^text\/|json|xml|javascript|^$/.test(type);
  byId("answer-part").hidden = false;
  byId("answer-status").textContent = `Status ${status}${type && `, ${type}`}` +
    `${isCut ? ", of which the beginning" : ""}`;
  byId("answer").textContent = isText
    ? new TextDecoder().decode(body)
    : `${body.length} bytes that are no text`;
  const link = make("a", "Receipt");
  link.href = receipt ?? "";
  byId("receipt").replaceChildren(...(receipt === null ? [] : [link]));
}
