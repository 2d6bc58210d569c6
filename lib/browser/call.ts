/** Paying for one call, and what comes back. */
import { PAGE_ANSWER_BYTES_MAX } from "../limits_of_pages.ts";
import { quotedWord } from "../shell_word.ts";
import { formatUsdc } from "../usdc_text.ts";
import { page } from "./dom.ts";
import { CALL_LANE, signPermit, signTransfer } from "./payments.ts";
import { type Accept, ask, fromHeader, PAYMENT_SIGNATURE, refusalIn } from "./provider.ts";
import { countOf, type Say, type Session } from "./session.ts";
import { Trouble } from "./trouble.ts";
import { clientLane } from "./typed_data.ts";

export interface CallWish {
  /** As `/{cid}/path?query`. */
  readonly path: string;
  readonly method: string;
  readonly body: string;
  /** The body's media type, where it is known. */
  readonly type?: string;
  readonly scheme: "credits" | "exact";
}

export interface Answered {
  readonly status: number;
  readonly type: string;
  readonly body: Uint8Array<ArrayBuffer>;
  /** More came than is shown. */
  readonly isCut: boolean;
  /** What it cost, in words. */
  readonly cost: string;
  /** Path of the receipt; null where there is none. */
  readonly receipt: string | null;
}

interface PaymentResponse {
  readonly transaction?: string;
  readonly amount?: string;
  readonly errorReason?: string;
  readonly extra?: Readonly<Record<string, string>>;
}

/** @throws Trouble with the provider's reason when it takes no payment */
export async function payForCall(session: Session, wish: CallWish, say: Say): Promise<Answered> {
  const url = urlOf(wish.path);
  await assertLeadsSomewhere(url);
  let answer = await send(session, wish, url, say);
  if (answer.status === 402 && wish.scheme === "credits" && isCorrected(session, answer)) {
    await answer.body?.cancel();
    say("The provider has charged more on this lane than the chain shows: sign again.");
    answer = await send(session, wish, url, say);
  }
  return await readAnswer(session, answer);
}

/** @throws Trouble for what is no path of a deployment's */
export function urlOf(path: string): URL {
  const { origin } = page.location;
  const url = URL.parse(path.trim(), origin);
  if (url?.origin === origin && (isCid(firstOf(url)) || isName(firstOf(url)))) return url;
  throw new Trouble("Write the path of a deployment here, as /CID or /CID/path.");
}

/** What a path begins with: a deployment, or a name of one. */
const firstOf = ({ pathname }: URL) => pathname.split("/")[1]!;
/** Cids are longer than any word, and in letters and digits (multibase). */
const isCid = (segment: string) => /^[a-zA-Z0-9]{40,}$/.test(segment);
const isName = (segment: string) => /^[\w%-][\w%.-]{2,}$/.test(segment);

/**
 * Only the provider knows which words are names here, and not paths of its own.
 * @throws Trouble with what it says
 */
async function assertLeadsSomewhere(url: URL): Promise<void> {
  const first = firstOf(url);
  if (!isCid(first)) await ask(`/names/${first}`);
}

/** A line for a shell that makes the call; "/CID" stands for a path that is none. */
export function curlLine(wish: Omit<CallWish, "scheme">, header: string): string {
  const { method } = wish;
  const words = ["curl", "-H", `'${PAYMENT_SIGNATURE}: ${header}'`];
  if (method !== "GET") words.push("-X", method);
  if (hasBody(wish)) {
    words.push("-H", `'content-type: ${typeOf(wish)}'`, "--data-raw", quotedWord(wish.body));
  }
  return [...words, `'${hrefOf(wish.path).replaceAll("'", "%27")}'`].join(" ");
}

function hrefOf(path: string): string {
  try {
    return urlOf(path).href;
  } catch {
    return `${page.location.origin}/CID`;
  }
}

const hasBody = ({ method, body }: Pick<CallWish, "method" | "body">) =>
  method !== "GET" && body !== "";

const typeOf = ({ body, type }: Pick<CallWish, "type" | "body">) =>
  type ?? (isJson(body) ? "application/json" : "text/plain;charset=UTF-8");

async function send(session: Session, wish: CallWish, url: URL, say: Say): Promise<Response> {
  say("Sign the payment in your wallet.");
  const header = await headerOf(session, wish.scheme, url.href);
  say("Paid for; waiting for the answer.");
  const sent = hasBody(wish);
  return await fetch(url, {
    method: wish.method,
    headers: { [PAYMENT_SIGNATURE]: header, ...(sent ? { "content-type": typeOf(wish) } : {}) },
    ...(sent ? { body: wish.body } : {}),
    // What is paid for is what was asked, wherever a program would like us to go.
    redirect: "manual",
  }).catch(() => {
    throw new Trouble("The answer was cut off.", "Look at what is unsettled before you repeat it.");
  });
}

async function headerOf(session: Session, scheme: CallWish["scheme"], url: string) {
  if (scheme === "credits") return (await signPermit(session, CALL_LANE, 1n)).header;
  const { exact } = session.offer;
  if (exact === null) throw new Trouble("This provider takes credits only.");
  return await signTransfer(session, exact, url);
}

/** Whether a refusal says how far our lane is charged, so that another permit would do. */
function isCorrected({ charged }: Session, answer: Response): boolean {
  const asked = fromHeader<{ accepts: Accept[] }>(answer.headers.get("payment-required"));
  const extra = asked?.accepts.find(({ scheme }) => scheme === "credits")?.extra;
  if (!extra?.["lane"] || !extra["cumulative"]) return false;
  const lane = extra["lane"] as `0x${string}`;
  const before = charged.get(lane) ?? -1n;
  charged.set(lane, BigInt(extra["cumulative"]));
  return BigInt(extra["cumulative"]) > before;
}

async function readAnswer(session: Session, answer: Response): Promise<Answered> {
  if (answer.type === "opaqueredirect") {
    throw new Trouble(
      "The program sent you elsewhere, where this page does not go. The call was paid for.",
    );
  }
  const { headers, status } = answer;
  const told = fromHeader<PaymentResponse>(headers.get("payment-response"));
  noteCharged(session, told);
  const { body, isCut } = await readBody(answer);
  if (status === 402 && headers.has("payment-required")) {
    throw refusalIn(new TextDecoder().decode(body), status);
  }
  return {
    status,
    type: headers.get("content-type") ?? "",
    body,
    isCut,
    cost: costOf(told),
    receipt: headers.get("khachapuri-receipt"),
  };
}

/** Where the next permit goes on from. */
function noteCharged({ charged, wallet }: Session, told: PaymentResponse | null): void {
  const cumulative = told?.extra?.["cumulativeCredits"];
  if (cumulative) charged.set(clientLane(wallet.address, CALL_LANE), BigInt(cumulative));
}

function costOf(told: PaymentResponse | null): string {
  if (told === null) return "Nothing was charged to you.";
  const { chargedCredits, availableCredits } = told.extra ?? {};
  if (chargedCredits !== undefined) {
    return `${countOf(BigInt(chargedCredits))} charged, ${availableCredits} left.`;
  }
  if (told.errorReason) return `Not paid: ${told.errorReason}.`;
  const amount = told.amount ? `${formatUsdc(BigInt(told.amount))} USDC` : "The price";
  return `${amount} paid by transaction ${told.transaction}.`;
}

async function readBody(answer: Response): Promise<Pick<Answered, "body" | "isCut">> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  const reader = answer.body?.getReader();
  for (let part; reader && !(part = await reader.read()).done;) {
    chunks.push(part.value);
    bytes += part.value.length;
    if (bytes > PAGE_ANSWER_BYTES_MAX) {
      await reader.cancel();
      break;
    }
  }
  const whole = new Uint8Array(await new Blob(chunks).arrayBuffer());
  return { body: whole.subarray(0, PAGE_ANSWER_BYTES_MAX), isCut: bytes > PAGE_ANSWER_BYTES_MAX };
}

function isJson(text: string): boolean {
  try {
    return typeof JSON.parse(text) === "object";
  } catch {
    return false;
  }
}
