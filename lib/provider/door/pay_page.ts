/**
 * The payer's page: without scripts it says what a call costs and how to pay by the command line;
 * with them a wallet in the browser does it all (`lib/browser/pay.ts`).
 */
import { chainText } from "../../chain/deployments.ts";
import { formatUsdc } from "../../chain/usdc.ts";
import { quotedWord } from "../../shell_word.ts";
import type { Accept } from "../../payment_required.ts";
import { type Document, escaped, factsHtml, jsonElement, linesHtml } from "../http/document.ts";
import type { ExampleCall } from "../http/example_call.ts";
import { onceFacts } from "../http/once.ts";
import type { Offering } from "../http/page.ts";
import { PAY_SCRIPT } from "../http/page_scripts.ts";
import { STYLE } from "../http/page_style.ts";
import { PAY_STYLE } from "./pay_style.ts";

/** The call that is filled in. */
interface FilledIn {
  /** As `/{cid}/path`; "" for none. */
  readonly call: string;
  readonly example: ExampleCall;
}

export function payPage(
  offering: Offering,
  accepts: readonly Accept[],
  filledIn: FilledIn,
): Document {
  const { name } = offering;
  return {
    title: `Pay ${name}`,
    style: STYLE + PAY_STYLE,
    script: PAY_SCRIPT,
    asks: true,
    body: `<main class="narrow" id="main" aria-busy="false"><h1>Pay ${escaped(name)}</h1>
<p>You lock USDC for this provider in a contract that nobody owns, and sign for each call. It can
charge what you signed and no more; whatever it has not charged you can take back.</p>
${factsHtml(facts(offering, accepts))}
${WALLET}
${moneyHtml()}
${addHtml()}
${callHtml(filledIn)}
${HEADER}
${backHtml(offering)}
${commandsHtml(offering, filledIn)}
<p class="dim"><a href="/">What ${escaped(name)} offers</a>, and <a href="/terms">its terms</a>.
This page asks nobody but this provider and your own wallet, which shows you all that you
sign.</p></main>
${jsonElement("terms", terms(offering))}`,
  };
}

function facts(
  { offer, timeoutMs }: Offering,
  accepts: readonly Accept[],
): [string, string][] {
  const price = `${formatUsdc(offer.pricePerCredit)} USDC a credit`;
  return [
    ["Price", `${price}; one buys a call of up to ${timeoutMs / 1000} s`],
    ...onceFacts(accepts),
    ["Paid on", `${chainText(offer.chainId)}, in USDC`],
    ["What you take back", `is free after ${periodText(offer.thawingPeriodSeconds)}`],
  ];
}

function periodText(seconds: number): string {
  const hours = seconds / 3_600;
  return hours === 1 ? "an hour" : `${Math.round(hours * 10) / 10} hours`;
}

/** What the script has to know (`Terms` in lib/browser/provider.ts). */
function terms({ name, webDomain, offer }: Offering) {
  const { chainId, escrow, asset, payTo: provider, thawingPeriodSeconds: thawingSeconds } = offer;
  const chain = chainText(chainId);
  return { name, webDomain, chainId, chain, escrow, asset, provider, thawingSeconds };
}

/** Where an action says what it does and came to. */
const said = (id: string) => `<p class="said" id="${id}-said" role="status"></p>`;

/** The one button of a form, or that of its usual way. */
const FIRST = `<button class="first" value="signature"`;
/** @param what is done, for who does not see the form around it */
const bySignature = (id: string, what: string, kind = "") =>
  `<button${kind} value="signature" id="${id}-signature" aria-label="${what} by signature">` +
  "By signature</button>";
const byTransaction = (id: string, what: string) =>
  `<button value="transaction" id="${id}-transaction" aria-label="${what} by transaction">` +
  "By transaction</button>";

const WALLET = `<noscript><p class="notice">To pay with a wallet in this browser, allow this page
its script. The command line needs none.</p></noscript>
<section id="connecting" hidden aria-labelledby="wallet-heading">
<h2 id="wallet-heading">Your wallet</h2>
<p id="no-wallet">No wallet is in this browser yet. Install one, then load the page again; or use
the command line.</p>
<div id="wallets" class="row"></div>
<div id="wrong-chain" class="notice" role="alert" hidden><p id="wrong-chain-text"></p>
<button type="button" id="switch">Switch the wallet</button></div>
${said("wallet")}</section>`;

function moneyHtml(): string {
  return `<section class="connected" hidden aria-labelledby="money-heading">
<h2 id="money-heading" tabindex="-1">Your money</h2>
<dl><dt>Account</dt><dd id="account"></dd><dt>In your wallet</dt><dd id="in-wallet"></dd>
<dt>Free in the escrow</dt><dd id="free"></dd><dt>Allowed here</dt><dd id="allowed"></dd>
<dt>Thawing</dt><dd id="thawing"></dd>
<dt>Unsettled here</dt><dd id="unsettled">show what is unsettled, by a signature</dd></dl>
<table id="lanes" hidden><caption>Charged, not yet settled</caption><thead><tr>
<th scope="col">Used by</th><th scope="col">USDC</th></tr></thead>
<tbody id="lane-rows"></tbody></table>
<div class="row"><button type="button" id="prove">Show what is unsettled</button>
<button type="button" id="refresh">Look again</button></div>
${said("money")}</section>`;
}

function addHtml(): string {
  return `<section class="connected" hidden aria-labelledby="add-heading">
<h2 id="add-heading">Add credits</h2>
<form id="add"><label for="add-credits">Credits to add</label>
<input id="add-credits" inputmode="numeric" autocomplete="off" value="1000"
aria-describedby="add-cost add-note"><p class="dim" id="add-cost"></p>
<div class="row">${bySignature("add", "Add credits", ' class="first"')}
${byTransaction("add", "Add credits")}</div><p class="dim" id="add-note"></p>
${said("add")}</form></section>`;
}

/** What a script of ours sends; a HEAD shows nothing that anybody would pay for. */
const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"];

function callHtml({ call, example: { method, body } }: FilledIn): string {
  const options = METHODS.map((name) =>
    `<option${name === method && name !== "GET" ? " selected" : ""}>${name}</option>`
  );
  const type = body === null ? "" : ` data-type="${escaped(body.type)}"`;
  return `<section class="connected" hidden aria-labelledby="call-heading">
<h2 id="call-heading">Pay for one call</h2>
<form id="call"><label for="call-path">Deployment and path</label>
<input id="call-path" autocomplete="off" spellcheck="false" placeholder="/CID/path"
value="${escaped(call)}">
<label for="call-method">Method</label><select id="call-method">
${options.join("\n")}</select>
<label for="call-body">Body, if it is no GET</label>
<textarea id="call-body" rows="2" spellcheck="false"${type}>
${escaped(body?.text ?? "")}</textarea>
<fieldset><legend>Paid by</legend>
<label class="choice"><input type="radio" name="scheme" value="credits" checked>
<span>a credit, <span id="credit-price"></span> of what you have allowed</span></label>
<label class="choice" id="exact-way"><input type="radio" name="scheme" value="exact">
<span>a transfer of <span id="exact-price"></span> out of your wallet, without gas, with nothing
allowed before</span></label></fieldset>
<div class="row">${FIRST}>Sign and call</button></div>
${said("call")}</form>
<div id="answer-part" hidden><p id="answer-status"></p><pre id="answer" tabindex="0"
aria-label="The answer"></pre><p id="receipt"></p></div></section>`;
}

const HEADER = `<section class="connected" hidden aria-labelledby="permit-heading">
<h2 id="permit-heading">A header for curl</h2>
<form id="permit"><div class="fields"><div>
<label for="permit-credits">Calls that it pays for</label>
<input id="permit-credits" inputmode="numeric" autocomplete="off" value="10"></div>
<div><label for="permit-hours">Hours that it is good for</label>
<input id="permit-hours" inputmode="numeric" autocomplete="off" value="24"></div></div>
<div class="row">${FIRST}>Sign a permit</button></div>
${said("permit")}</form>
<div id="header-part" hidden><p class="notice">Whoever has this line can spend these credits here.
Keep it to yourself, and send it over https only.</p>
<div class="lines"><textarea id="header" readonly rows="5" aria-label="The line for curl"
spellcheck="false"></textarea><button type="button" hidden data-copy="header"
aria-label="Copy the line for curl">Copy</button></div></div></section>`;

function backHtml({ offer }: Offering): string {
  const period = periodText(offer.thawingPeriodSeconds);
  const ways = (step: string, what: string) =>
    `<div class="row">${bySignature(step, what)}
${byTransaction(step, what)}</div>${said(step)}`;
  return `<section class="connected" hidden aria-labelledby="back-heading">
<h2 id="back-heading">Take it back</h2>
<p class="dim" id="back-note"></p>
<div class="steps"><form id="revoke"><h3>Revoke</h3>
<p class="dim">Credits thaw for ${period}; the provider may charge what it has served until then.</p><label for="revoke-credits">Credits to take back</label>
<input id="revoke-credits" inputmode="numeric" autocomplete="off" placeholder="all">
${ways("revoke", "Revoke")}</form>
<form id="reclaim"><h3>Reclaim what has thawed</h3><p class="dim" id="reclaim-note"></p>
${ways("reclaim", "Reclaim")}</form>
<form id="withdraw"><h3>Withdraw what is free</h3>
<label for="withdraw-amount">USDC to your wallet</label>
<input id="withdraw-amount" inputmode="decimal" autocomplete="off" placeholder="all">
${ways("withdraw", "Withdraw")}</form>
<form id="void"><h3>Void permits</h3><p class="dim">For when a header got into wrong hands: what
you have signed for this provider ends in ${period}, and new permits are good at once.</p>
${ways("void", "Void permits")}</form></div></section>`;
}

function commandsHtml({ name }: Offering, { call, example: { flags } }: FilledIn): string {
  const target = [quotedWord(`${name}${call || "/CID"}`), ...flags].join(" ");
  const lines = [
    "khachapuri init",
    "khachapuri deposit 5",
    `khachapuri allow ${name} --credits 1000`,
    `khachapuri call --pay ${target}`,
  ];
  const without = [`khachapuri call --deposit 5 ${target}`];
  return `<section aria-labelledby="commands-heading">
<h2 id="commands-heading">By the command line</h2>
${linesHtml("to-pay", "how to pay", lines)}
<p class="dim">With USDC and nothing to pay gas with, one line deposits, allows and calls:</p>
${linesHtml("to-pay-without-gas", "how to pay without gas", without)}</section>`;
}
