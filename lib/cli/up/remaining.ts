/** Asks what is left to do: the doctor as the provider's user, the chain, the name servers. */
import type { Address } from "viem";
import { connect } from "../../chain/client.ts";
import type { WholeAnswers } from "./answers.ts";
import {
  type DnsRecord,
  operatorsNeed,
  publicAddresses,
  type Remaining,
  withEndpoint,
} from "./left_to_do.ts";
import type { Machine } from "./machine_facts.ts";
import { askDoctor, registrationLine, type Told } from "./outcome.ts";

export interface Remains extends Remaining {
  readonly findings: readonly Told[];
  /** What the doctor is not content with, but for what is told as left to do. */
  readonly notes: readonly string[];
}

/** What waits for somebody else, and is told as that. */
const TOLD_APART: readonly string[] = ["operator", "name", "web domain", "gateway"];

export async function readRemaining(
  machine: Machine,
  answers: WholeAnswers,
  home: string,
): Promise<Remains> {
  const findings = await askDoctor(machine, home);
  const said = findings.find(({ part }) => part === "name");
  const isRegistered = said?.state === "good" && !isBad(findings, "operator");
  const line = isRegistered ? null : await registrationLine(machine, home);
  const notes = findings.filter(({ part, state }) =>
    state !== "good" && !TOLD_APART.includes(part)
  );
  return {
    findings,
    notes: notes.map(({ part, detail, hints }) => [`${part}: ${detail}`, ...hints].join("; ")),
    operator: await readOperator(answers.rpc, findings),
    dns: await readDns(machine, answers),
    registration: line === null ? null : withEndpoint(line, answers.rpc),
  };
}

function isBad(findings: readonly Told[], part: string): boolean {
  return findings.some((finding) => finding.part === part && finding.state === "bad");
}

/** @param findings of which the operator's begins with its address; null where nobody can say */
export async function readOperator(
  rpc: readonly string[],
  findings: readonly Told[],
): Promise<Remaining["operator"]> {
  const { detail = "" } = findings.find(({ part }) => part === "operator") ?? {};
  const [address] = /^0x[0-9a-fA-F]{40}/.exec(detail) ?? [];
  if (address === undefined) return null;
  try {
    const chain = await connect(rpc);
    const [balance, gasPrice] = await Promise.all([
      chain.public.getBalance({ address: address as Address }),
      chain.public.getGasPrice(),
    ]);
    return { address, balance, wanted: operatorsNeed(gasPrice) };
  } catch {
    return null;
  }
}

/** The domain's own, and those of the deployments' hosts; none for a name of this machine. */
async function readDns(machine: Machine, { domain }: WholeAnswers): Promise<DnsRecord[]> {
  const { hostname } = new URL(domain);
  if (!hostname.includes(".") || /^[\d.]+$|^\[/.test(hostname)) return [];
  const addresses = publicAddresses((await machine.settings()).addresses);
  const [v4, v6] = [false, true].map((isV6) =>
    addresses.filter((one) => one.includes(":") === isV6)
  );
  const asked = [[hostname, hostname], [`*.${hostname}`, `khachapuri-up.${hostname}`]] as const;
  const records = asked.flatMap(([name, host]) => [
    { name, host, type: "A" as const, wanted: v4! },
    ...v6!.length === 0 ? [] : [{ name, host, type: "AAAA" as const, wanted: v6! }],
  ]);
  return await Promise.all(
    records.map(async ({ host, ...record }) => ({
      ...record,
      found: await Deno.resolveDns(host, record.type).catch(() => []),
    })),
  );
}
