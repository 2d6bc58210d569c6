/** Opens names on a provider's chain, deployments and money. */
import { isIPv6 } from "node:net";
import { type Address, zeroHash } from "viem";
import { readContenthash } from "../../chain/contenthash.ts";
import type { CidText } from "../../cid.ts";
import type { ProviderConfig } from "../../config.ts";
import { asKhachapuriError } from "../../errors.ts";
import { type NameServer, nameServersOf, parseNameServer } from "../../name_server.ts";
import type { Deployments } from "../deployment/deployments.ts";
import type { Records } from "../deployment/records.ts";
import type { PayerView } from "../ledger/judge.ts";
import type { Seller } from "../money/seller.ts";
import type { Allowed } from "../naming/coverage.ts";
import { DnsClient } from "../naming/dns_client.ts";
import type { Names } from "../naming/names.ts";
import { openNames } from "../naming/open_names.ts";
import type { Books } from "./books.ts";
import type { Look } from "./findings.ts";
import type { Sandboxes } from "../program/sandboxes.ts";
import type { Site } from "./site.ts";

export interface NamesGround {
  seller: Seller;
  books: Pick<Books, "names"> & {
    payments: Pick<Books["payments"], "payers" | "policy">;
    records: Pick<Records, "tariffs">;
  };
  deployments: Pick<Deployments, "get">;
  sandboxes: Pick<Sandboxes, "retire">;
}

/** Every name server knows of it, and nobody learns anything by the question. */
const ROOT = ".";
const RESOLV_CONF = "/etc/resolv.conf";
/** Between two looks at whether allowances cover names, ms. */
const LAPSE_MS = 600_000;
/** Before an owner is told that it has allowed too little, the chain is asked as of now, ms. */
const SURE_AGE_MS = 500;

export interface OpenNames {
  names: Names;
  /** Nothing of them is changed from here by itself once it resolves. */
  retire(): Promise<void>;
}

/** To be closed with `stack`; null where the configuration wants no names. */
export function openProviderNames(
  site: Site,
  provided: NamesGround,
  stack: AsyncDisposableStack,
): OpenNames | null {
  const { provider, state, ground: { connected: { chain, contracts } }, now } = site;
  const { enabled, perUsdc, resolver } = provider.names;
  if (!enabled) return null;
  const { seller, books, deployments, sandboxes } = provided;
  const ground = { ...books, deployments };
  const { chainId, escrow } = seller;
  const names = openNames({
    ...books.names,
    dir: state.book,
    dns: new DnsClient({ servers: () => nameServers(resolver) }),
    contenthash: (name) => readContenthash(chain, name, contracts),
    onLeft: (cid) => sandboxes.retire(cid),
    place: { provider: seller.provider, chainId, escrow },
    perUsdc,
    provider: provider.name,
    ownerOf: async (cid, from) => (await deployments.get(cid, from)).spec.owner,
    allowed: (cid, from, isSure) => allowedBy(ground, { cid, from, isSure }),
    allowedTo: ({ owner, cid }, isSure, from) => allowedTo(ground, { owner, cid, isSure, from }),
    now,
  }, stack);
  const lapsing = new AsyncDisposableStack();
  stack.defer(() => lapsing.disposeAsync());
  lapseSometimes(names, lapsing);
  return { names, retire: () => lapsing.disposeAsync() };
}

function lapseSometimes(names: Pick<Names, "lapse">, stack: AsyncDisposableStack): void {
  const closing = new AbortController();
  let lapsed = Promise.resolve();
  const timer = setInterval(() => {
    lapsed = lapsed.then(() => names.lapse(closing.signal)).catch(() => {});
  }, LAPSE_MS);
  stack.defer(() => {
    clearInterval(timer);
    closing.abort();
    return lapsed;
  });
}

/** The configured name server, or those that this machine asks now, as its network changes. */
export async function nameServers(resolver: string | undefined): Promise<NameServer[]> {
  if (resolver !== undefined) return [parseNameServer(resolver)];
  return nameServersOf(await Deno.readTextFile(RESOLV_CONF).catch(() => ""));
}

/** `doctor` waits no longer for name servers, each and all together, ms. */
const LOOK_TIMEOUTS = { serverTimeoutMs: 1_000, timeoutMs: 2_000 };

/** Whether somebody answers who could say what domains point to; names of other kinds go on. */
export async function checkNameServers({ names: { resolver } }: ProviderConfig): Promise<Look> {
  const servers = await nameServers(resolver);
  const told = servers.map(({ address, port }) =>
    isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`
  )
    .join(", ");
  const client = new DnsClient({ servers: () => Promise.resolve(servers), ...LOOK_TIMEOUTS });
  try {
    await client.txt(ROOT);
    return { detail: `${told}: answers` };
  } catch (error) {
    const { shortMessage } = asKhachapuriError(error);
    return {
      detail: `no name server can be reached: ${shortMessage}`,
      hints: [
        "domains that point here by DNSLink are called as they were known last, new ones not at all",
        'see /etc/resolv.conf, or name one: "names": { "resolver": "127.0.0.1:53" } in config.json',
      ],
    };
  }
}

interface AllowanceAsked {
  cid: CidText;
  from: string;
  isSure: boolean;
}

/** What that is found out by. */
export interface AllowanceGround extends Pick<NamesGround, "deployments"> {
  records: { tariffs: Pick<Records["tariffs"], "priceOf"> };
  payments: {
    payers: Pick<Books["payments"]["payers"], "view" | "viewAgain">;
    policy: Pick<Books["payments"]["policy"], "viewAgeMs">;
  };
}

/** What a deployment's owner has allowed, less what is about to leave. */
export async function allowedBy(
  { records: { tariffs }, payments: { payers, policy }, deployments }: AllowanceGround,
  { cid, from, isSure }: AllowanceAsked,
): Promise<Allowed> {
  const { spec: { owner }, entry: { permit: { lane } } } = await deployments.get(cid, from);
  // Who asks has signed as the owner.
  const caller = { isProven: true, from };
  const view = isSure
    ? await payers.viewAgain(owner, lane, SURE_AGE_MS, caller)
    : await payers.view(owner, lane, policy.viewAgeMs(), caller);
  return allowedIn(view, tariffs.priceOf(cid));
}

interface OwnerAsked extends Pick<AllowanceAsked, "cid" | "isSure"> {
  owner: Address;
  from: string | undefined;
}

/** What the owner of a name that leads to `cid` has allowed, without a look at its deployment. */
export async function allowedTo(
  { records: { tariffs }, payments: { payers, policy } }: Omit<AllowanceGround, "deployments">,
  { owner, cid, isSure, from }: OwnerAsked,
): Promise<Allowed> {
  // What we look at by ourselves is a known owner's; whoever has us look is limited by its network.
  const caller = { isProven: true, from };
  // What is asked for is the allowance; no lane has this number.
  const view = isSure
    ? await payers.viewAgain(owner, zeroHash, SURE_AGE_MS, caller)
    : await payers.view(owner, zeroHash, policy.viewAgeMs(), caller);
  return allowedIn(view, tariffs.priceOf(cid));
}

function allowedIn(
  { pricePerCredit, credits, thawingCredits }: PayerView,
  price: bigint,
): Allowed {
  const staying = credits > thawingCredits ? credits - thawingCredits : 0n;
  return {
    amount: staying * pricePerCredit,
    paysCall: staying > 0n && pricePerCredit >= price,
  };
}
