/** A 402 for a person at a browser: what a call costs, why it is asked, and three ways to pay. */
import { createHash } from "node:crypto";
import { formatUsdc } from "../../chain/usdc.ts";
import type { KhachapuriError } from "../../errors.ts";
import type { Accept, Resource } from "../../payment_required.ts";
import { quotedWord } from "../../shell_word.ts";
import { PAGE_STYLE, text } from "./page_html.ts";

/** Nothing is loaded, run, framed or posted: the one style is known by its hash. */
export const PAYMENT_PAGE_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; " +
  `frame-ancestors 'none'; style-src 'sha256-${
    createHash("sha256").update(PAGE_STYLE).digest("base64")
  }'`;

/** By what a person at a browser gets to pay. */
export interface PaymentPlace {
  /** The provider's name, which permits are made for. */
  readonly provider: string;
  /** The call as our command line takes it. */
  readonly called: string;
  /** The payer's page, for this call. */
  readonly payUrl: string;
}

export interface PaymentPage extends PaymentPlace {
  readonly error: KhachapuriError;
  readonly entries: readonly Accept[];
  readonly resource: Resource;
}

/** A whole document of some 3 kB. */
export function paymentPageHtml(page: PaymentPage): string {
  const { error, entries, resource: { url, description }, provider, called, payUrl } = page;
  const permit = `khachapuri permit ${quotedWord(provider)} --credits 1`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>402: this call has to be paid for</title>
<style>${PAGE_STYLE}</style></head>
<body><main><h1>This call has to be paid for</h1>
${description === undefined ? "" : `<p>${text(description)}</p>`}
<p>Nothing was run and nothing was charged: ${text(error.shortMessage)}.</p>
${error.hints.map((hint) => `<p>${text(hint)}</p>`).join("\n")}
<h2>What it costs</h2>
<dl>${entries.map(priced).join("")}</dl>
<h2>Pay in this browser</h2>
<p><a href="${text(payUrl)}">Pay for this call with a wallet</a></p>
<h2>Pay from a terminal</h2>
<pre>${text(`khachapuri call --pay ${quotedWord(called)}`)}</pre>
<p>By curl, with a permit for one call:</p>
<pre>${text(`curl -H "PAYMENT-SIGNATURE: $(${permit})" ${quotedWord(url)}`)}</pre>
<h2>Pay from a program</h2>
<p>Any client of x402 pays by itself: this answer says in <code>PAYMENT-REQUIRED</code> what is
taken.</p></main></body></html>
`;
}

/** Entries are our own: those of a scheme that is priced have an amount, in base units of USDC. */
function priced(entry: Accept & { amount?: string }): string {
  if (entry.amount === undefined) return "";
  const price = `${formatUsdc(BigInt(entry.amount))} USDC`;
  const [head, cell] = entry.scheme === "credits"
    ? ["By credits", `${price} a credit, out of what you have allowed this provider`]
    : ["Once", `${price}, signed by a wallet for this call alone`];
  return `<dt>${text(head)}</dt><dd>${text(cell)}</dd>`;
}
