/** What `up` can't do: money, names and records that belong to somebody, in words for each. */
import { formatEther } from "viem";
import { chainNameOf, CHAINS } from "./chains.ts";

export interface Remaining {
  /** The operator, and what it has and should have, wei; null where the chain did not say. */
  readonly operator: { address: string; balance: bigint; wanted: bigint } | null;
  /** Where records are to lead, and where they lead. */
  readonly dns: readonly DnsRecord[];
  /** To paste where the provider key is; null: the name says all of it already. */
  readonly registration: string | null;
}

export interface DnsRecord {
  readonly name: string;
  readonly type: "A" | "AAAA";
  /** This machine's addresses that others may reach. */
  readonly wanted: readonly string[];
  /** What a name server says now. */
  readonly found: readonly string[];
}

/** Gas of some two thousand settlements: months of a small provider. */
const GAS_WANTED = 100_000_000n;

/** What an operator should have, wei. */
export function operatorsNeed(gasPrice: bigint): bigint {
  return GAS_WANTED * gasPrice;
}

/** An operator with a fifth of that has enough for now. */
export function isFunded({ balance, wanted }: { balance: bigint; wanted: bigint }): boolean {
  return balance * 5n >= wanted;
}

/** Of networks that the world does not reach (RFC 1918, 3927, 4193, 6598). */
const HIDDEN: readonly RegExp[] = [
  /^(?:10|127)\.|^192\.168\.|^169\.254\./,
  /^172\.(?:1[6-9]|2\d|3[01])\./,
  /^100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\./,
  /^f[cd]|^fe80:|^::1$/i,
];

/** Those of a machine's addresses that the world may reach. */
export function publicAddresses(addresses: readonly string[]): string[] {
  return addresses.filter((address) => !HIDDEN.some((network) => network.test(address)));
}

/** What is to be done about a name's records; null: they lead here. */
export function dnsLine({ name, type, wanted, found }: DnsRecord): string | null {
  const leadsHere = found.length > 0 &&
    (wanted.length === 0 || found.some((one) => wanted.includes(one)));
  if (leadsHere) return null;
  const to = wanted.length === 0 ? "this machine's public address" : wanted.join(" or ");
  const now = found.length === 0 ? "" : ` (now ${found.join(", ")})`;
  return `${name}  ${type}  ${to}${now}`;
}

/** The same line with the chain's endpoint in it: one that is nobody's secret. */
export function withEndpoint(line: string, rpc: readonly string[]): string {
  const [first = ""] = rpc;
  const isPlain = /^https?:\/\/[\w.:[\]-]+\/?$/.test(first);
  const known = chainNameOf(rpc);
  const url = known === null ? isPlain ? first : null : CHAINS[known]!.rpc[0]!;
  return url === null ? `${line} --rpc URL` : `${line} --rpc ${url}`;
}

export function remainingLines({ operator, dns, registration }: Remaining): string[] {
  const records = dns.flatMap((record) => dnsLine(record) ?? []);
  const lines = [
    ...records.length === 0 ? [] : [
      "at whoever keeps your domain's records:",
      ...records.map((record) => `  ${record}`),
    ],
    ...operator === null || isFunded(operator) ? [] : [
      "from any wallet, for the gas of settling:",
      `  send ${roundUp(operator.wanted)} of the chain's coin to ${operator.address}` +
      ` (it has ${formatEther(operator.balance)})`,
    ],
    ...registration === null ? [] : [
      "where your provider key is (it needs some coin, too), paste:",
      `  ${registration}`,
    ],
  ];
  return lines.length === 0 ? ["nothing is left to do"] : ["left to do:", ...lines];
}

/** To two digits, upwards. */
function roundUp(wei: bigint): string {
  const digits = String(wei).length;
  const unit = 10n ** BigInt(Math.max(0, digits - 2));
  return formatEther((wei + unit - 1n) / unit * unit);
}
