/** A 402 for a person at a browser: what a call costs, why it is asked, and three ways to pay. */
import { formatUsdc } from "../../chain/usdc.ts";
import type { KhachapuriError } from "../../errors.ts";
import type { Accept, Resource } from "../../payment_required.ts";
import { quotedWord } from "../../shell_word.ts";
import { documentHtml, escaped, hashOf } from "./document.ts";
import { type ExampleCall, withQuery } from "./example_call.ts";
import { STYLE } from "./page_style.ts";

/** Nothing is loaded, run, framed or posted: the one style is known by its hash. */
export const PAYMENT_PAGE_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; " +
  `frame-ancestors 'none'; style-src '${hashOf(STYLE)}'`;

/** By what a person at a browser gets to pay. */
export interface PaymentPlace {
  /** The provider's name, which permits are made for. */
  readonly provider: string;
  /** The call as our command line takes it. */
  readonly called: string;
  /** What its owner says of such a call. */
  readonly example: ExampleCall;
  /** The payer's page, for this call. */
  readonly payUrl: string;
}

export interface PaymentPage extends PaymentPlace {
  readonly error: KhachapuriError;
  readonly entries: readonly Accept[];
  readonly resource: Resource;
}

/**
 * Commands are in parts of their own: the error's hints that name one are for who has the JSON.
 * A whole document of some 3 kB.
 */
export function paymentPageHtml(page: PaymentPage): string {
  const { error, entries, resource: { url, description }, provider, payUrl, example } = page;
  const { flags } = example;
  const called = quotedWord(withQuery(page.called, example));
  const hints = error.hints.filter((hint) => !hint.includes("khachapuri"));
  const curled = quotedWord(withQuery(url, example));
  const permit = `khachapuri permit ${quotedWord(provider)} --credits 1`;
  const curl = [`curl -H "PAYMENT-SIGNATURE: $(${permit})"`, curled, ...flags].join(" ");
  return documentHtml({
    style: STYLE,
    title: "402: this call has to be paid for",
    body: `<main><h1>This call has to be paid for</h1>
${description === undefined ? "" : `<p>${escaped(description)}</p>`}
<p>Nothing was run and nothing was charged: ${escaped(error.shortMessage)}.</p>
${hints.map((hint) => `<p>${escaped(hint)}</p>`).join("\n")}
<h2>What it costs</h2>
<dl>${entries.map(priced).join("")}</dl>
<h2>Pay in this browser</h2>
<p><a href="${escaped(payUrl)}">Pay for this call with a wallet</a></p>
<h2>Pay from a terminal</h2>
<pre>${escaped(["khachapuri call --pay", called, ...flags].join(" "))}</pre>
<p>By curl, with a permit for one call:</p>
<pre>${escaped(curl)}</pre>
<h2>Pay from a program</h2>
<p>Any client of x402 pays by itself: this answer says in <code>PAYMENT-REQUIRED</code> what is
taken.</p></main>`,
  });
}

/** Entries are our own: those of a scheme that is priced have an amount, in base units of USDC. */
function priced(entry: Accept & { amount?: string }): string {
  if (entry.amount === undefined) return "";
  const price = `${formatUsdc(BigInt(entry.amount))} USDC`;
  const [head, cell] = entry.scheme === "credits"
    ? ["By credits", `${price} a credit, out of what you have allowed this provider`]
    : ["Once", `${price}, signed by a wallet for this call alone`];
  return `<dt>${escaped(head)}</dt><dd>${escaped(cell)}</dd>`;
}
