/** Failures of programs that call others: names, ports, addresses. */
import type { EgressRecord, Unreached } from "../../../sandbox/egress_tally.ts";
import { listsHost, listsPort } from "../../egress.ts";
import { EGRESS_CONNECT_TIMEOUT_MS, UNREACHED_NAMED_MAX } from "../../limits.ts";
import {
  type Detector,
  type Diagnosis,
  type Evidence,
  type Place,
  quote,
  said,
  withFlag,
  type Words,
} from "./detector.ts";

const NAME = "[\\w.-]{1,253}";
const named = (before: string, after = "") => new RegExp(`${before}(${NAME})${after}`);

/** Names that could not be looked up, as runtimes say it. */
const LOOKUPS: readonly RegExp[] = [
  named("getaddrinfo (?:EAI_AGAIN|ENOTFOUND) "), // Node
  named("Could not resolve host(?:name)?:? ['\"]?"), // curl, git, ssh
  named("unable to resolve host address [‘'`\"]"), // wget
  named("dial tcp: lookup "), // Go
  named("UnknownHostException: "), // Java
  named("php_network_getaddresses: getaddrinfo for ", " failed"), // PHP 8.1
  named("Failed to open TCP connection to ", ":\\d+ \\(getaddrinfo"), // Ruby
  named('could not translate host name "', '" to address'), // PostgreSQL
  named("Unknown MySQL server host '"),
  named("Can't connect to ", " \\((?:Temporary failure|Name or service)"), // Perl
  named("host='", "'[^\\n]{0,400}Name ?Resolution"), // Python's requests
  named("error sending request for url \\(https?://", "[^\\n]{0,300}dns error"), // Deno, Rust
  /Temporary failure in name resolution|Name or service not known|nodename nor servname provided/,
  /failed to lookup address information|getaddrinfo(?: failed|: )|dns error/,
];

/** What is said of a host that was not reached, after its name. */
const REACHED_NOT: Readonly<Record<Exclude<Unreached["failure"], "notListed">, string>> = {
  none: "was not reached",
  noAddress: "has no address",
  notPublic: "leads to an address that is not public, where programs may not go",
  unreachable: "refused the connection, or cannot be reached",
  timeout: `did not answer in ${EGRESS_CONNECT_TIMEOUT_MS / 1_000} s`,
};

/** A lookup tells a name and no port: a host that is not listed is told without one. */
function unreachedWords({ host, port, failure }: Unreached, { connectTo }: Place): string {
  const elsewhere = connectTo[`${host}:${port}`];
  if (elsewhere !== undefined && failure !== "notListed") {
    return failure === "timeout"
      ? `${elsewhere} (--connect-to) ${REACHED_NOT.timeout}`
      : `nothing listens at ${elsewhere} (--connect-to)`;
  }
  const where = quote(port === null ? host : `${host}:${port}`);
  return failure === "notListed"
    ? `it asked for ${where}, which its spec does not list`
    : `${where} ${REACHED_NOT[failure]}`;
}

/** Which hosts a run did not reach, and why; null: there was none, or it may call nobody. */
export function unreachedDiagnosis(
  egress: EgressRecord | null,
  place: Place,
): Diagnosis | null {
  const unreached = egress?.unreached ?? [];
  if (unreached.length === 0) return null;
  const named = unreached.slice(0, UNREACHED_NAMED_MAX).map((one) => unreachedWords(one, place));
  const more = unreached.length - named.length;
  return {
    short: "it called a host that it did not reach",
    full: [...named, ...(more > 0 ? [`and ${more} more`] : [])].join("; "),
    hint: unreachedHint(unreached, place),
  };
}

function unreachedHint(unreached: readonly Unreached[], place: Place): string {
  const unlisted = unreached.find(({ failure }) => failure === "notListed");
  if (unlisted) {
    return `if it is to call it, ${withFlag(place, `--egress ${quote(unlisted.host)}:PORT`)}, too`;
  }
  if (place.command === "deploy") {
    return "try it from elsewhere: the fault is its, or that of its name";
  }
  const host = unreached.map(({ host, port }) => `${host}:${port}`);
  if (host.some((each) => each in place.connectTo)) return "start the server that is to be there";
  return `a server of yours can stand in for it: --connect-to ${quote(host[0]!)}:127.0.0.1:PORT`;
}

/**
 * A name that was looked up in vain, of which the relay says nothing: had it been asked for one
 * that is not listed, or found no address, it would.
 */
function lookupWords(host: string | null, { mayCall, place }: Evidence): Words {
  const hint = `name what it may call: ${withFlag(place, "--egress HOST:PORT")}`;
  if (mayCall.length === 0) {
    return {
      full: host === null
        ? "it looked up a name, and its spec lists no host that it may call"
        : `it asked for ${host}, and its spec lists no host that it may call`,
      hint,
    };
  }
  if (host !== null && !listsHost(mayCall, host)) {
    return { full: `it asked for ${host}, which its spec does not list`, hint };
  }
  return {
    short: "a name that it looked up was not found",
    full: host === null
      ? "it looked up a name, and the lookup failed inside it"
      : `it asked for ${host}, which its spec lists, and the lookup failed inside it`,
    hint: "have it ask the server that /etc/resolv.conf names for an IPv4 address, as libraries do",
  };
}

/** As its programs see the hosts of a spec: addresses that stand for names (RFC 2544's). */
const STANDS_FOR_A_NAME = /^198\.1[89]\./;

/** A port of a host that is listed with others: nothing listens there inside. */
function portWords(server: string, { mayCall, place }: Evidence): Words | null {
  // However a client writes it, the host comes first, and the port last.
  const [, host = "", port = ""] = /^([\w.-]+)\W.*?(\d{1,5})$/.exec(server) ?? [];
  const isNamed = !STANDS_FOR_A_NAME.test(host);
  if (isNamed && listsPort(mayCall, host, port)) return null;
  const where = isNamed ? `${host}:${port}` : `port ${port} of a host`;
  return {
    full: `it asked for ${where}, which its spec does not list`,
    hint: withFlag(place, `another --egress ${isNamed ? host : "HOST"}:${port}`),
  };
}

/** Host and port that refused a connection, as clients say it. */
const REFUSED_PORTS: readonly RegExp[] = [
  // curl, git, Perl
  /connect(?: to)? ([\w.-]{1,253}(?: port |:)\d{1,5})[^\n]{0,80}(?:refused|Couldn't connect)/,
  // Python's requests
  /host='([\w.-]{1,253}', port=\d{1,5})\)[^\n]{0,400}refused/,
  // PostgreSQL
  /server at "([\w.-]{1,253}" \([\d.]{1,15}\), port \d{1,5}) failed: [^\n]{0,20}refused/,
  // wget
  /Connecting to ([\w.-]{1,253} [^\n]{0,300}\|:\d{1,5})\.\.\. failed: [^\n]{0,20}refused/,
  // Ruby
  /connection to ([\w.-]{1,253}:\d{1,5}) \(Connection refused/,
  // Deno, Rust
  /url \(https?:\/\/([\w.-]{1,253}:\d{1,5})[^\n]{0,300}refused/,
  // Node
  /ECONNREFUSED (198\.1[89]\.\d{1,3}\.\d{1,3}:\d{1,5})/,
  // Go
  /dial tcp (198\.1[89]\.\d{1,3}\.\d{1,3}:\d{1,5}): connect: connection refused/,
];

const MACHINES_OWN = /(?:127\.0\.0\.1|::1|localhost)/;

/** Some clients name nobody, and the kernel alone refused. */
const PORT_OR_SERVER = "it asked for a port that its spec does not list, or for a server beside it";

/** Told by how a run failed. */
export const NETWORK_FAILURES: readonly Detector[] = [
  {
    name: "a host that was not reached",
    detect: ({ record: { egress }, place }) => unreachedDiagnosis(egress, place),
  },
  said(
    "no network",
    "it asked for the network, which it does not have",
    LOOKUPS,
    lookupWords,
  ),
  said(
    "another port of a host that is listed",
    "it asked for a port that its spec does not list",
    REFUSED_PORTS,
    (server, evidence) =>
      evidence.mayCall.length === 0 || server === null || MACHINES_OWN.test(server)
        ? null
        : portWords(server, evidence),
  ),
  said(
    "no server of its own",
    "it asked for a server beside it, where there is none",
    [
      new RegExp(`ECONNREFUSED (${MACHINES_OWN.source}:\\d{1,5})`),
      new RegExp(`dial tcp (\\[?${MACHINES_OWN.source}\\]?:\\d{1,5}): connect: connection refused`),
      new RegExp(`connect to (${MACHINES_OWN.source} port \\d{1,5})`),
      /Connection refused/,
    ],
    (server, { mayCall, place }) =>
      server === null && mayCall.length > 0
        ? {
          short: PORT_OR_SERVER,
          full: PORT_OR_SERVER,
          hint: `${withFlag(place, "another --egress HOST:PORT")}; each run is alone`,
        }
        : {
          full: `it asked for a server at ${server ?? "its own machine"}, where there is none`,
          hint: "each run is alone, without databases or other services beside it",
        },
  ),
  said(
    "no network, by address",
    "it asked for an address in the network, where programs reach names alone",
    [
      /(?:ENETUNREACH|EHOSTUNREACH) ([\w.:-]{1,64})/,
      /dial tcp ([\w.:[\]-]{1,64}): connect: network is unreachable/,
      /[Nn]etwork is unreachable|No route to host/,
    ],
    (address, { place }) => ({
      full: `it asked for ${address ?? "an address"}, and programs can call names alone`,
      hint: `call it by its name, and ${withFlag(place, "--egress HOST:PORT")}`,
    }),
  ),
];
