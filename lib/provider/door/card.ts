/**
 * `GET /deployments/{cid}`: what is known publicly of a deployment, for people. Its path begins
 * with a word that nobody can have as a name (lib/spec/name_label.ts), so it stands before nobody's
 * program. It says no more than a call does but for what the owner has signed for everybody to
 * read; a cid that nobody paid for is looked up within the limits of calls.
 */
import { formatUsdc } from "../../chain/usdc.ts";
import { formatCid, parseCid } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import type { Accept } from "../../payment_required.ts";
import type { About, AboutContent } from "../../spec/about.ts";
import { acceptsOf } from "../call/accepts.ts";
import { type Document, documentAnswer, escaped, factsHtml, linesHtml } from "../http/document.ts";
import { exampleCall, withQuery } from "../http/example_call.ts";
import { onceFacts } from "../http/once.ts";
import type { Offering } from "../http/page.ts";
import { FRONT_SCRIPT } from "../http/page_scripts.ts";
import { STYLE } from "../http/page_style.ts";
import { payPath } from "../http/pay_path.ts";
import type { Answer, HttpRequest } from "../http/request.ts";
import { wantsHtml } from "./front_routes.ts";
import { jsonAnswer } from "./json.ts";
import type { RouteParts } from "./parts.ts";

export const CARD_PREFIX = "/deployments/";

/**
 * @throws KhachapuriError `not_found` for what is no cid; as a call for one that is none of a
 * deployment here
 */
export async function card(parts: RouteParts, request: HttpRequest): Promise<Answer> {
  const text = request.path.slice(CARD_PREFIX.length);
  const cid = formatCid(cidOf(text));
  const { spec } = await parts.programs.deployments.get(cid, request.sender.address);
  const { about = null } = spec;
  const { offering } = parts;
  if (wantsHtml(request)) {
    const isOwners = spec.access !== "payer";
    const accepts = acceptsOf(parts.money.schemes)({});
    const page = cardPage(offering, accepts, { cid, about, isOwners });
    return documentAnswer(page, [["vary", "accept"]]);
  }
  const price = String(offering.offer.pricePerCredit);
  return jsonAnswer({ cid, url: `${offering.webDomain}/${cid}`, price, about });
}

function cidOf(text: string) {
  try {
    return parseCid(text);
  } catch (cause) {
    throw new KhachapuriError("not_found", "there is nothing at this path", {
      cause,
      hints: [`a deployment's card is at ${CARD_PREFIX}{cid}`],
    });
  }
}

interface Shown {
  readonly cid: string;
  readonly about: About | null;
  /** Whether its owner pays for who does not. */
  readonly isOwners: boolean;
}

/** A card. Without `about` it tells how any deployment here is called. */
export function cardPage(
  { name, webDomain, offer }: Offering,
  accepts: readonly Accept[],
  { cid, about, isOwners }: Shown,
): Document {
  const example = exampleCall(about);
  const url = quotedUrl(withQuery(`${webDomain}/${cid}`, example));
  const line = ["curl", ...example.flags, url].join(" ");
  const credit = `${formatUsdc(offer.pricePerCredit)} USDC`;
  const price = isOwners ? `${credit}, unless the owner pays` : `${credit} a credit`;
  return {
    title: `A deployment at ${name}`,
    style: STYLE,
    script: FRONT_SCRIPT,
    asks: false,
    body: `<main><h1>A deployment at ${escaped(name)}</h1>
${about?.description ? `<p>${escaped(about.description)}</p>` : ""}
${
      factsHtml([
        ["Deployment", cid],
        ["A call costs", price],
        ...onceFacts(accepts),
        ...(about?.tags?.length ? [["About", about.tags.join(", ")] as const] : []),
      ])
    }
<h2>Call it</h2>
${linesHtml("to-call", "how to call it", [line])}
<p><a class="button" href="${escaped(payPath(`/${cid}`))}">Pay for a call in this browser</a></p>
${exampleHtml("What it takes", about?.input)}${exampleHtml("What it answers", about?.output)}
<p class="dim"><a href="/">What ${escaped(name)} offers</a></p></main>`,
  };
}

/** What follows a `?` or `&` is the address's, too. */
const quotedUrl = (url: string) => `'${url.replaceAll("'", "%27")}'`;

function exampleHtml(heading: string, content: AboutContent | undefined): string {
  if (content?.example === undefined) return "";
  const { example } = content;
  const shown = typeof example === "string" ? example : JSON.stringify(example, null, 2);
  return `<h2>${heading}</h2><pre tabindex="0">${escaped(shown)}</pre>`;
}
