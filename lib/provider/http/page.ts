/** The provider's front page: what it offers and how to call, for a person or a program. */
import type { Address, Hex } from "viem";
import { formatUsdc } from "../../chain/usdc.ts";
import type { OldPrice } from "../../config.ts";
import { REQUEST_BODY_BYTES_MAX, RESPONSE_BYTES_MAX } from "../../limits.ts";
import type { Accept, CreditsOffer } from "../../payment_header.ts";
import { timeText } from "../../time_text.ts";

export interface Offering {
  name: string;
  address: Address;
  webDomain: string;
  recipients: readonly string[];
  /** Of each terms text, newest first. */
  termsHashes: readonly Hex[];
  /** What one call costs, for people. */
  offer: CreditsOffer;
  /** What it cost before, and until when permits for that are served. */
  oldPrice?: OldPrice | undefined;
  timeoutMs: number;
  memoryMb: number;
}

/**
 * The front page as JSON.
 * @param accepts the entries of x402's `accepts`
 */
export function offeringJson(offering: Offering, accepts: readonly Accept[]) {
  const { name, address, webDomain, recipients, termsHashes, oldPrice, timeoutMs, memoryMb } =
    offering;
  return {
    name,
    address,
    webDomain,
    recipients,
    terms: termsHashes,
    accepts,
    ...(oldPrice
      ? { oldPrice: { amount: String(oldPrice.price), until: timeText(oldPrice.until) } }
      : {}),
    limits: {
      timeoutMs,
      memoryMb,
      requestBytes: REQUEST_BODY_BYTES_MAX,
      responseBytes: RESPONSE_BYTES_MAX,
    },
  };
}

/** The front page for a browser: no script, nothing loaded from elsewhere. */
export function offeringHtml(offering: Offering): string {
  const { name, address, webDomain, recipients, termsHashes, offer, timeoutMs, memoryMb } =
    offering;
  const rows: [string, string][] = [
    ["Address", address],
    ["Price", `${formatUsdc(offer.pricePerCredit)} USDC a call${oldPriceText(offering)}`],
    ["Chain", `eip155:${offer.chainId}, escrow ${offer.escrow}`],
    ["Limits", `${timeoutMs / 1000} s, ${memoryMb} MiB a call`],
    ["Terms", termsHashes[0] ?? ""],
    ["Public key", recipients[0] ?? ""],
  ];
  const table = rows.map(([head, cell]) => `<dt>${text(head)}</dt><dd>${text(cell)}</dd>`).join("");
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${text(name)}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 42rem; margin: 3rem auto; padding: 0 1rem }
dt { font-weight: 600 } dd { margin: 0 0 .8rem; overflow-wrap: anywhere; color: #555 }
pre { background: #f4f1ea; padding: .8rem; overflow: auto }
</style></head>
<body><h1>${text(name)}</h1>
<p>Runs programs from IPFS, paid with USDC. Call one with</p>
<pre>curl -X POST ${text(webDomain)}/{cid} -d data</pre>
<dl>${table}</dl>
<p><a href="/terms">Terms</a></p></body></html>
`;
}

/** Behind the price: until when permits for the earlier one are served; else nothing. */
export function oldPriceText({ oldPrice }: Pick<Offering, "oldPrice">): string {
  if (!oldPrice) return "";
  const until = timeText(oldPrice.until);
  return `; permits signed for ${
    formatUsdc(oldPrice.price)
  } USDC are served at that until ${until}`;
}

function text(value: string): string {
  return value.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
