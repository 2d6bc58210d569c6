/** Whether a fleet is well: its database, its nodes and what they agree on, and what to do. */
import { formatUsdc } from "../../chain/usdc.ts";
import { asKhachapuriError, KhachapuriError } from "../../errors.ts";
import { type DatabaseAddress, describeAddress } from "../../postgres_address.ts";
import { VERSION } from "../../version.ts";
import { type FleetSeen, type NodeSeen, type Survey, survey } from "../fleet/survey.ts";
import type { Finding, Findings, Look } from "./findings.ts";
import {
  DIRECT_HINT,
  judgePooler,
  judgeReplication,
  judgeSchema,
  judgeServer,
  judgeTimeouts,
} from "./fleet_server_look.ts";

export interface FleetLook {
  readonly address: DatabaseAddress;
  /** Of PGPASSFILE. */
  readonly passfile: string | undefined;
  /** Of a credit, as this machine's configuration has it, USDC base units. */
  readonly price: bigint;
}

/** Clocks that are farther apart mislead whoever reads logs, and expire permits too early. */
const CLOCK_MS = 2_000;
/** A beat comes each second, and another leader ten after the last. */
const LATE_BEAT_MS = 3_000;
const LEADERLESS_MS = 15_000;
/** What a session held is given back ten seconds after its last beat, by any other. */
const LEFT_MS = 15_000;
const CHAIN_AGE_MS = 60_000;

/** What a pooler says, or a server by one, that does not know what we connect with or prepared. */
const POOLED = /unsupported startup parameter|prepared statement/;

/** @returns null where the database could not be asked */
export async function lookAtFleet(look: FleetLook, findings: Findings): Promise<Survey | null> {
  const found = await findings.look("fleet database", async () => {
    const seen = await survey(look.address, look.passfile).catch(explain);
    return { ...judgeServer(seen, describeAddress(look.address)), seen };
  });
  if (found === null) return null;
  await judgeAll(found.seen, look.price, findings);
  return found.seen;
}

function explain(thrown: unknown): never {
  const error = asKhachapuriError(thrown);
  const causes = [thrown, error.cause].map((each) => (each as Error | undefined)?.message ?? "");
  if (!causes.some((said) => POOLED.test(said))) {
    if (error.code !== "database_unavailable") throw error;
    throw new KhachapuriError("database_unavailable", error.shortMessage, {
      hints: ["is it up, and may this machine reach it? pg_isready -h HOST -p PORT says so"],
      cause: error,
    });
  }
  throw new KhachapuriError("invalid_config", `a pooler stands before it: ${error.shortMessage}`, {
    hints: [DIRECT_HINT],
    cause: error,
  });
}

/** @param price as this machine has it */
export async function judgeAll(seen: Survey, price: bigint, findings: Findings): Promise<void> {
  const { fleet } = seen;
  const look = (part: string, judge: () => Look) =>
    findings.look(`fleet ${part}`, () => Promise.resolve().then(judge));
  await look("schema", () => judgeSchema(seen));
  await look("replication", () => judgeReplication(seen));
  await look("timeouts", () => judgeTimeouts(seen));
  await look("pooler", () => judgePooler(seen));
  await look("clocks", () => judgeClocks(seen));
  if (fleet === null) return;
  await look("nodes", () => judgeNodes(fleet));
  await look("price", () => judgePrice(fleet, price));
  await look("leader", () => judgeLeader(fleet));
  await look("holds", () => judgeHolds(fleet));
}

/** Those that are not well: bad ones first. */
export function toDo(findings: readonly Finding[]): Finding[] {
  const of = (wanted: Finding["state"]) => findings.filter(({ state }) => state === wanted);
  return [...of("bad"), ...of("doubtful")];
}

function judgeClocks({ clock, fleet }: Survey): Look {
  const wrong: string[] = [];
  const { aheadMs, roundTripMs } = clock;
  if (Math.abs(aheadMs) - roundTripMs / 2 > CLOCK_MS) {
    wrong.push(`this machine's is ${secondsApart(-aheadMs)} the database's`);
  }
  for (const { node, clockAheadMs } of fleet?.nodes ?? []) {
    // It was read before the database heard of it.
    if (clockAheadMs === null || Math.abs(clockAheadMs + BEAT_WAY_MS) <= CLOCK_MS) continue;
    wrong.push(`${node}'s is ${secondsApart(clockAheadMs)} the database's`);
  }
  if (wrong.length === 0) return { detail: `all within ${CLOCK_MS / 1_000} s of the database's` };
  return {
    detail: wrong.join(", "),
    hints: ["chrony or systemd-timesyncd, on all of them: permits and keys end by these clocks"],
  };
}

/** Half of what a beat may take. */
const BEAT_WAY_MS = 450;

function secondsApart(aheadMs: number): string {
  const text = `${(Math.abs(aheadMs) / 1_000).toFixed(1)} s`;
  return `${text} ${aheadMs > 0 ? "ahead of" : "behind"}`;
}

function judgeNodes({ nodes }: FleetSeen): Look {
  if (nodes.length === 0) {
    return { detail: "none lives", hints: ["systemctl start khachapuri, on each of them"] };
  }
  const hints: string[] = [];
  for (const [node, ofIt] of Map.groupBy(nodes, ({ node }) => node)) {
    if (ofIt.length === 1) continue;
    const urls = [...new Set(ofIt.map(({ url }) => url))].join(" and ");
    hints.push(
      `${ofIt.length} live as ${node}, at ${urls}: it started anew seconds ago, or two machines ` +
        "have that name in provider.fleet.node",
    );
  }
  const versions = [...Map.groupBy(nodes, ({ version }) => version)];
  if (versions.length > 1 || versions[0]![0] !== VERSION) {
    const text = versions.map(([version, of]) => `${version} at ${namesOf(of)}`).join(", ");
    hints.push(`releases differ: ${text}, here ${VERSION}; upgrade them one by one`);
  }
  for (const { node, beatAgeMs, state: { chainAgeMs } } of nodes) {
    if (beatAgeMs > LATE_BEAT_MS) {
      hints.push(`${node} was not heard of for ${Math.round(beatAgeMs / 1_000)} s`);
    }
    if ((chainAgeMs ?? 0) > CHAIN_AGE_MS) {
      hints.push(`${node} sees the chain as of ${Math.round(chainAgeMs! / 1_000)} s ago`);
    }
  }
  if (nodes.length === 1) hints.push("it is alone: when it ends, nobody answers");
  return { detail: `${nodes.length} live: ${namesOf(nodes)}`, hints };
}

function namesOf(nodes: readonly NodeSeen[]): string {
  return nodes.map(({ node }) => node).join(", ");
}

/** @throws KhachapuriError `invalid_config` where nodes have different ones */
function judgePrice({ nodes }: FleetSeen, here: bigint): Look {
  const known = nodes.filter(({ state: { price } }) => price !== null);
  const prices = [...Map.groupBy(known, ({ state }) => state.price!)];
  const text = prices.map(([price, of]) => `${formatUsdc(price)} at ${namesOf(of)}`).join(", ");
  const hints = [
    "the same price in config.json of all nodes, and: khachapuri reload, on each of them",
  ];
  if (prices.length > 1) {
    throw new KhachapuriError("invalid_config", `a credit costs ${text}`, { hints });
  }
  if (prices.length === 0) return { detail: `${formatUsdc(here)} USDC a credit, in config.json` };
  if (prices[0]![0] === here) return { detail: `${formatUsdc(here)} USDC a credit, everywhere` };
  return { detail: `a credit costs ${text}, and ${formatUsdc(here)} in this config.json`, hints };
}

/** @throws KhachapuriError `provider_unavailable` where nobody settles */
function judgeLeader({ leader, nodes, dueLanes, dueUsdc }: FleetSeen): Look {
  const { term, session, leaderlessMs } = leader;
  if (session !== null) {
    const name = nodes.find((node) => node.session === session)?.node ?? `session ${session}`;
    return { detail: `${name} leads, in term ${term}` };
  }
  const due = dueLanes === 0 ? "" : `, and ${formatUsdc(dueUsdc)} USDC are due`;
  if (nodes.length === 0) return { detail: `none, as no node lives${due}`, hints: [] };
  if (leaderlessMs !== null && leaderlessMs <= LEADERLESS_MS) {
    return { detail: "another one is about to begin" };
  }
  const since = leaderlessMs === null ? "" : ` for ${Math.round(leaderlessMs / 1_000)} s`;
  throw new KhachapuriError("provider_unavailable", `nobody leads${since}${due}`, {
    hints: ["the logs of the nodes say why: one that drains does not begin; start another"],
  });
}

/** @throws KhachapuriError `provider_unavailable` for what nobody gives back */
function judgeHolds({ left, nodes }: FleetSeen): Look {
  const late = left.filter(({ goneMs }) => goneMs > LEFT_MS);
  const sum = late.reduce((all, { credits }) => all + credits, 0);
  if (sum === 0) return { detail: "whoever is gone holds nothing" };
  const names = [...new Set(late.map(({ node }) => node))].join(", ");
  const text = `${sum} credits are held for ${names}, gone for ` +
    `${Math.round(Math.max(...late.map(({ goneMs }) => goneMs)) / 1_000)} s`;
  if (nodes.length === 0) {
    return { detail: text, hints: ["the first node that starts gives them back"] };
  }
  throw new KhachapuriError("provider_unavailable", text, {
    hints: ["any node gives them back with its next beat: their logs say why none does"],
  });
}
