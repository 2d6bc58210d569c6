/** What `fleet` prints of a fleet: its database, what is to be settled, and its nodes. */
import { formatUsdc } from "../chain/usdc.ts";
import { sizeText } from "../client/publishing/meter.ts";
import { creditsText } from "../credits_text.ts";
import { standbyText } from "../provider/door/fleet_server_look.ts";
import type { FleetSeen, NodeSeen, Survey } from "../provider/fleet/survey.ts";
import { timeTextOfMs } from "../time_text.ts";
import { columnLines } from "./columns.ts";
import { ageText } from "./deployment_table.ts";

/**
 * @param name of the database
 * @param nowMs Unix ms
 */
export function fleetLines({ server, fleet }: Survey, name: string, nowMs: number): string[] {
  const { version, connections, connectionsMost, databaseBytes, standbys } = server;
  const replicas = standbys.map(standbyText).join(", ") || "none";
  return [
    `database  PostgreSQL ${version} at ${name}`,
    `          ${sizeText(databaseBytes)}, ${connections} of ${connectionsMost} connections`,
    `replicas  ${replicas}`,
    ...(fleet === null ? [] : bookLines(fleet)),
    ...(fleet === null || fleet.nodes.length === 0 ? [] : ["", ...nodeLines(fleet, nowMs)]),
  ];
}

function bookLines({ leader, nodes, left, ...seen }: FleetSeen): string[] {
  const leading = nodes.find(({ session }) => session === leader.session);
  const since = leading?.state.leadsSinceMs ?? null;
  return [
    `leader    ${
      leading?.node ?? (leader.session === null ? "none" : `session ${leader.session}`)
    }` +
    `, term ${leader.term}${since === null ? "" : `, since ${timeTextOfMs(since)}`}`,
    `sending   ${seen.outbox} under way, ${seen.wishes} that wait for the leader`,
    `due       ${formatUsdc(seen.dueUsdc)} USDC, on ${seen.dueLanes} lanes`,
    `journal   about ${seen.journalRows} charges, ${sizeText(seen.journalBytes)}`,
    ...left.map(({ node, credits, goneMs }) =>
      `held      ${creditsText(BigInt(credits))} for ${node}, gone for ${ageText(goneMs)}`
    ),
  ];
}

function nodeLines({ nodes, leader, shared }: FleetSeen, nowMs: number): string[] {
  const ofState = <T>(value: T | null, text: (value: T) => string) =>
    value === null ? "" : text(value);
  return columnLines<NodeSeen>(nodes, [
    ["NODE", ({ node }) => node],
    ["VERSION", ({ version }) => version],
    ["STATE", ({ session, state }) => {
      if (state.isDraining) return "drains";
      return session === leader.session ? "leads" : "serves";
    }],
    ["RUNS", ({ state: { runs, slots } }) => ofState(runs, (runs) => `${runs} of ${slots ?? "?"}`)],
    ["SANDBOXES", ({ state }) => ofState(state.sandboxes, String)],
    ["HELD", ({ heldCredits }) => String(heldCredits)],
    ["AHEAD", ({ state }) => ofState(state.aheadCredits, String)],
    ["BEAT", ({ beatAgeMs }) => secondsText(beatAgeMs)],
    ["CHAIN", ({ state }) => ofState(state.chainAgeMs, secondsText)],
    ["BEHIND", ({ state }) => ofState(state.seen, (seen) => String(Math.max(0, shared - seen)))],
    ["UP", ({ state }) => ofState(state.startedAtMs, (ms) => ageText(nowMs - ms))],
    ["URL", ({ url }) => url],
  ]);
}

function secondsText(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
