/**
 * Why a request came to nothing, in words that say what to look at. fetch, node:net and TLS tell it
 * each in its own way, and fetch only as "fetch failed", with the reason in its causes.
 */

interface Reason {
  /** What is said of it: node's codes, texts of the system, of Deno's HTTP and of rustls. */
  readonly said: RegExp;
  readonly words: string;
}

const NO_ANSWER = "it closed the connection without an answer";
const NO_WAY = "there is no way to it from here (is the network up?)";

/** The first that is said, from the particular to the general. */
const REASONS: readonly Reason[] = [
  { said: /ECONNREFUSED|connection refused/i, words: "nothing listens there" },
  {
    said: /EAI_AGAIN|temporary failure in name resolution/i,
    words: "its name can't be looked up now (is the network up?)",
  },
  {
    said: /ENOTFOUND|dns error|failed to lookup|name or service not known/i,
    words: "its name is not known",
  },
  { said: /EHOSTUNREACH|ENETUNREACH|no route to host|network is unreachable/i, words: NO_WAY },
  {
    said: /redirect mode is set to 'error'/,
    words: "it redirects elsewhere, which is not followed",
  },
  { said: /requests to port [0-9]+ are blocked/i, words: "fetch connects to no such port" },
  {
    said: /corrupt message|wrong version number|WRONG_VERSION_NUMBER|packet length too long/i,
    words: "it does not speak TLS there (is it plain http?)",
  },
  {
    said: /fatal alert|HandshakeFailure|SSL_ALERT|ERR_SSL/i,
    words: "it does not agree on how to speak TLS",
  },
  {
    said: /unexpected message|invalid HTTP|HTTP version parsed|HPE_|Parse Error/i,
    words: "it does not speak HTTP there",
  },
  {
    said: /ETIMEDOUT|timed ?out|TimeoutError|took too long/i,
    words: "it was silent for too long",
  },
  {
    said: /error reading a body|body error|IncompleteMessage|unexpected end of file/i,
    words: "it broke its answer off",
  },
  {
    said: /ECONNRESET|EPIPE|connection (was )?(reset|closed)|broken pipe|socket hang up/i,
    words: NO_ANSWER,
  },
];

/** Certificates as node and rustls complain of them. */
const UNTRUSTED = new RegExp(
  "CERT_|_CERT|UNABLE_TO_(VERIFY|GET_ISSUER)|peer certificate|unknown ?issuer|self.signed",
  "i",
);

/** Whether it is its certificate that nobody vouches for. */
export function isUntrusted(thrown: unknown): boolean {
  return UNTRUSTED.test(toldBy(thrown));
}

/**
 * What is wrong with whoever was asked, beginning with "it", "its", "nothing" or "there".
 * @param thrown what fetch or node:net threw; its causes are read, too
 */
export function whyUnreachable(thrown: unknown): string {
  const told = toldBy(thrown);
  const deepest = chainOf(thrown).at(-1)?.message ?? String(thrown);
  if (UNTRUSTED.test(told)) return `its certificate can't be trusted: ${short(deepest)}`;
  return REASONS.find(({ said }) => said.test(told))?.words ?? short(deepest);
}

/** What an HTTP status says of whoever was asked something that it should have taken. */
export function whyRefused(status: number): string {
  const reason = status === 401 || status === 403
    ? "it wants another key"
    : status === 404 || status === 405 || status === 410
    ? "what is asked for is not at that path"
    : status === 407
    ? "the proxy on the way wants a password"
    : status === 429
    ? "it has had enough requests for now"
    : status >= 500
    ? "it is out of order"
    : "it does not take the request";
  return `${reason} (HTTP ${status})`;
}

/** All that a failure and its causes say, with their codes. */
function toldBy(thrown: unknown): string {
  return chainOf(thrown).map((error) => {
    const { code = "", name, message } = error as Error & { code?: unknown };
    return `${name} ${code} ${message}`;
  }).join("\n");
}

/** A failure and what caused it; of several attempts, as at IPv6 and IPv4, the last. */
function chainOf(thrown: unknown): Error[] {
  const found: Error[] = [];
  for (let at = thrown; at instanceof Error && found.length < 8;) {
    found.push(at);
    at = at.cause ?? (at instanceof AggregateError ? at.errors.at(-1) : undefined);
  }
  return found;
}

/** One line without a URL, which may hold a key. */
function short(text: string): string {
  return text.split("\n")[0]!.replace(/https?:\/\/\S+/g, "it").slice(0, 200);
}
