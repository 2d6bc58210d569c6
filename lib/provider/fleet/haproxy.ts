/**
 * The configuration of the HAProxy (2.6 and later) before a fleet's nodes. A deployment's calls go
 * to one node, where it is warm; once there are many, to the next on the ring while that one has
 * twice its share. A call is paid, so it is sent again in one case alone: when none of it was sent.
 * Nor may whoever called send it again in good faith: where a node breaks off, HAProxy ends the
 * caller's connection without a word unless the call was the first on it, and curl, browsers and
 * others then repeat the call by themselves, which may have been charged. So each call goes through
 * a connection of its own within HAProxy, where it is the first, and is told of by 502.
 */
import { createHash } from "node:crypto";
import { isNodeName } from "../../config_fleet.ts";
import { KhachapuriError } from "../../errors.ts";
import {
  CONNECTIONS_MAX,
  HEAD_TIMEOUT_MS,
  HTTP2_STREAMS_MAX,
  IDLE_CONNECTION_MS,
  NETWORK_CONNECTIONS_MAX,
  RESPONSE_HEAD_BYTES_MAX,
} from "../../limits.ts";
import { TAKER_PATIENCE_MS } from "../../limits_of_callers.ts";
import { SLOT_WAIT_MS } from "../../limits_of_slots.ts";

export interface HaproxyServer {
  /** Of it follows its place on the ring, which it keeps whoever comes and goes beside it. */
  readonly name: string;
  /** host:port where it listens, in the clear; an IPv6 address in brackets. */
  readonly address: string;
}

export interface HaproxyOptions {
  /** The URL that callers use, as `provider.webDomain`. */
  readonly webDomain: string;
  /** Absolute path of a file with certificate, chain and key, PEM; null: plain HTTP. */
  readonly certificate: string | null;
  /** host:port, `*` for any; by default 443 and 80, which leads there, or without TLS 80 alone. */
  readonly listen?: readonly string[];
}

const PORT = /:0*([1-9][0-9]{0,4})$/;
const HOST = /^(?:[0-9A-Za-z](?:[0-9A-Za-z.-]*[0-9A-Za-z])?|\[[0-9A-Fa-f:.]+\])$/;
/** What HAProxy reads as one word, whatever stands in it. */
const PATH = /^\/[^\s"'\\#$]*$/;

/** Ids with room between them for each node's points on the ring, within 32 bits. */
const IDS = 1_000_000;
/** Connections that each of two backends may keep open to a node without a call on them. */
const IDLE_AT_NODE = 256;
/** Calls under way for each node, up to which a deployment's all go to its own. */
const CALLS_QUIET = 16;
/** A head in HAProxy's own form, and what it may add to it. */
const HEAD_ROOM_BYTES = 16 * 1024;

/**
 * Reads `NAME=HOST:PORT`.
 * @throws KhachapuriError `invalid_input`
 */
export function parseNode(text: string): HaproxyServer {
  const [, name = "", address = ""] = /^([^=]*)=(.*)$/s.exec(text) ?? [];
  const node = { name, address };
  assertNode(node);
  return node;
}

/**
 * The whole file. User, folders and sockets are those of Debian's package of HAProxy.
 * @throws KhachapuriError `invalid_input` for no node, for what HAProxy would read as something
 * else, and for what two nodes have
 */
export function haproxyConfig(nodes: readonly HaproxyServer[], options: HaproxyOptions): string {
  const { webDomain, certificate, listen } = options;
  const domain = new URL(webDomain).hostname;
  assertFit(HOST.test(domain), `the domain of ${webDomain} is no host`);
  assertFit(nodes.length > 0, "a fleet has one node at least");
  nodes.forEach(assertNode);
  assertOnce(nodes.map(({ name }) => name));
  assertOnce(nodes.map(({ address }) => address.toLowerCase()));
  for (const place of listen ?? []) {
    assertFit(isPlace(place.replace(/^\*(?=:)/, "0")), `${place} is not host:port`);
  }
  if (certificate !== null) {
    assertFit(PATH.test(certificate), `${certificate} is no plain absolute path`);
  }
  return `${head()}
frontend callers
${binding(certificate, listen)}${BOUND}${certificate !== null && !listen ? REDIRECTION : ""}
${CALLERS}
${calls(placeOf(nodes, options), domain, nodes.length)}
${backends(domain, nodes)}`;
}

/** An abstract socket of this configuration alone, as others may be on the machine. */
function placeOf(nodes: readonly HaproxyServer[], options: HaproxyOptions): string {
  const told = createHash("sha256").update(JSON.stringify([nodes, options])).digest("hex");
  return `abns@khachapuri-${told.slice(0, 16)}`;
}

function head(): string {
  return `# HAProxy (2.6 or later) before a fleet: /etc/haproxy/haproxy.cfg.
# Made by \`khachapuri fleet haproxy\`: make it anew where a node comes or goes, and have it read by
# \`systemctl reload haproxy\`. Nodes are reached in the clear, so over a network of your own; each
# names this machine in provider.trustedProxies.

global
  log /dev/log local0 notice
  chroot /var/lib/haproxy
  user haproxy
  group haproxy
  stats socket /run/haproxy/admin.sock mode 660 level admin expose-fd listeners
  # Each call has two, and its node's.
  maxconn 32768
  # Heads are held whole: one of an answer has up to ${RESPONSE_HEAD_BYTES_MAX / 1024} KiB.
  tune.bufsize ${RESPONSE_HEAD_BYTES_MAX + HEAD_ROOM_BYTES}
  tune.http.maxhdr 1024
  tune.h2.max-concurrent-streams ${HTTP2_STREAMS_MAX}
  ssl-default-bind-options ssl-min-ver TLSv1.2

defaults
  mode http
  log global
  # What comes goes on as it comes, both ways: a program may answer before it has read all.
  option http-no-delay
  # A caller that hangs up ends its run.
  option abortonclose
  timeout http-request ${seconds(HEAD_TIMEOUT_MS)}
  timeout http-keep-alive ${seconds(IDLE_CONNECTION_MS)}
  # Nodes end slow callers in ${seconds(TAKER_PATIENCE_MS)}, and say so.
  timeout client ${seconds(2 * TAKER_PATIENCE_MS)}
  timeout client-fin 30s
  # A run may say nothing, and a tunnel carry nothing, for days: they end when a node says so, or
  # when whoever is at the other end has gone without a word.
  timeout server 24d
  timeout tunnel 24d
  option tcpka
  clitcpka-idle 30s
  clitcpka-intvl 10s
  clitcpka-cnt 3
  srvtcpka-idle 30s
  srvtcpka-intvl 10s
  srvtcpka-cnt 3
  timeout connect 2s
  timeout check 5s
  timeout queue ${seconds(SLOT_WAIT_MS)}
  ${refusal(502, "a node ended before it had answered", "provider_unavailable")}
  ${refusal(503, "no node takes calls now; nothing was charged", "overloaded")}
`;
}

/** HAProxy's own answer, in the form of ours. */
function refusal(status: number, message: string, error: string): string {
  const body = JSON.stringify({ error, message });
  return `http-error status ${status} content-type application/json string '${body}' ` +
    "hdr Cache-Control no-store hdr Access-Control-Allow-Origin *" +
    (status === 503 ? " hdr Retry-After 2" : "");
}

function binding(certificate: string | null, listen: readonly string[] | undefined): string {
  if (certificate === null) return bind(listen ?? ["*:80"], "");
  const places = listen ?? ["*:443"];
  const tls = `ssl crt ${certificate} alpn`;
  return `\
  # Over HTTP/2 an earlier one ends an answer that is cut off as if it were whole.
  .if version_atleast(3.0.9)
${bind(places, `${tls} h2,http/1.1`)}  .else
${bind(places, `${tls} http/1.1`)}  .endif
${listen ? "" : bind(["*:80"], "")}`;
}

/** One of IPv6 is of nothing else: callers of IPv4 would count as one network there. */
function bind(places: readonly string[], how: string): string {
  return places.map((place) => {
    const words = ["  bind", place, ...(place.startsWith("[") ? ["v6only"] : []), how];
    return `${words.join(" ").trimEnd()}\n`;
  }).join("");
}

const BOUND = `\
  # Nodes can't bound a network's connections: all come from here.
  stick-table type ipv6 size 100k expire 2m store conn_cur
  tcp-request connection track-sc0 src,ipmask(24,56)
  tcp-request connection reject if { sc0_conn_cur gt ${NETWORK_CONNECTIONS_MAX} }
`;
const REDIRECTION = "  http-request redirect scheme https code 308 unless { ssl_fc }\n";

const CALLERS = `\
  # In the place of what callers say of themselves, in either form that nodes may go by.
  http-request set-header X-Forwarded-For %[src]
  http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]
  http-request set-header Forwarded "for=%[src];proto=%[ssl_fc,iif(https,http)]"
  http-request set-header Forwarded "for=\\"[%[src]]\\";proto=%[ssl_fc,iif(https,http)]" \
if { src -m sub : }
  default_backend each
`;

/** @param place where calls come in once more */
function calls(place: string, domain: string, nodes: number): string {
  const name = "req.hdr(host),host_only,lower";
  return `\
# Where a node breaks off, a call that is not the first on its connection is answered by the
# connection's end, and callers send it again by themselves, though it may have been charged. So
# each has a connection of its own in here, and is answered 502. (Closed by this side: what the
# frontend closes it closes on the nodes' side too.)
backend each
  option httpclose
  server calls ${place}

frontend calls
  bind ${place}

  # Whose call it is: of the first label below the domain, of the path's first segment, behind
  # /ipfs/ of the second, or of a domain of its own.
  acl is_below ${name} -m end .${domain}
  acl is_path ${name} -m str ${domain}
  acl is_path ${name} -m reg '^[0-9.]*$|^\\['
  http-request set-var(txn.cid) ${name},field(1,.) if is_below
  http-request set-var(txn.cid) path,field(2,/) if is_path
  http-request set-var(txn.cid) path,field(3,/) if is_path { path_beg /ipfs/ }
  http-request set-var(txn.cid) ${name} unless is_below || is_path

  # Few calls are no reason to start a program on a second node.
  use_backend crowded if { be_conn(nodes) ge ${CALLS_QUIET * nodes} }
  default_backend nodes
`;
}

function backends(domain: string, nodes: readonly HaproxyServer[]): string {
  return `\
backend nodes
${CHOICE}  option httpchk
  http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host ${domain}
  http-check expect status 200
  default-server check inter 1s fastinter 200ms fall 2 rise 2
${servers(nodes, () => "")}
backend crowded
${CHOICE}  # A node that has twice its share gets no more: the next one on the ring does.
  hash-balance-factor 200
${servers(nodes, ({ name }) => ` track nodes/${name}`)}`;
}

const CHOICE = `\
  # Each call is the first on its connection in here, and would want a new one of its node's.
  http-reuse always
  balance hash var(txn.cid)
  hash-type consistent djb2 avalanche
  # Never more than this: what was sent may have been charged, a program's own 503 too.
  retry-on conn-failure
  retries 2
  option redispatch 1
  default-server slowstart 10s weight 100 maxconn ${CONNECTIONS_MAX - 4 * IDLE_AT_NODE} \
pool-max-conn ${IDLE_AT_NODE}
`;

/** HAProxy places a node on the ring by its id. */
function servers(nodes: readonly HaproxyServer[], moreOf: (node: HaproxyServer) => string): string {
  const taken = new Set<number>();
  return nodes.map((node) => {
    const { name, address } = node;
    let id = 1 + createHash("sha256").update(name).digest().readUInt32BE() % IDS;
    while (taken.has(id)) id += 1;
    taken.add(id);
    return `  server ${name} ${address} id ${id}${moreOf(node)}\n`;
  }).join("");
}

const seconds = (ms: number) => `${Math.ceil(ms / 1_000)}s`;

function assertNode({ name, address }: HaproxyServer): void {
  assertFit(isNodeName(name), `"${name}" is no name of a node: a-z, 0-9 and -, 32 at most`);
  assertFit(isPlace(address), `the node ${name} is at no host:port: "${address}"`);
}

function isPlace(text: string): boolean {
  const [matched, port] = PORT.exec(text) ?? [];
  return matched !== undefined && Number(port) <= 65_535 &&
    HOST.test(text.slice(0, -matched.length));
}

function assertOnce(texts: readonly string[]): void {
  const twice = texts.find((text, at) => texts.indexOf(text) !== at);
  assertFit(twice === undefined, `two nodes have ${twice}`);
}

function assertFit(isFit: boolean, message: string): void {
  if (isFit) return;
  throw new KhachapuriError("invalid_input", message, {
    hints: ["a node is NAME=HOST:PORT, as n1=10.0.0.1:8402"],
  });
}
