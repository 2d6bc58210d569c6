import assert from "node:assert/strict";
import { WELL, wellNode } from "../../worlds/fleet_survey.ts";
import { fromNodeFacts } from "../provider/fleet/node_facts.ts";
import { VERSION } from "../version.ts";
import { fleetLines } from "./fleet_lines.ts";

Deno.test("a fleet is told as it is: database, replicas, leader, what is due, each node", () => {
  assert.deepEqual(
    fleetLines(WELL, "db:5432/books", 3_601_000),
    [
      "database  PostgreSQL 15.18 at db:5432/books",
      "          8.0 MB, 9 of 100 connections",
      "replicas  one (quorum), two (quorum)",
      "leader    n1, term 7",
      "sending   1 under way, 0 that wait for the leader",
      "due       0.004 USDC, on 2 lanes",
      "journal   about 1000 charges, 2.0 MB",
      "",
      "NODE  VERSION  STATE   RUNS     SANDBOXES  HELD  AHEAD  BEAT   CHAIN  BEHIND  UP      URL",
      "n1    0.1.0    leads   3 of 16  5          64    61     0.4 s  0.5 s  0       60 min  http://n1:1",
      "n2    0.1.0    serves  3 of 16  5          64    61     0.4 s  0.5 s  0       60 min  http://n2:1",
    ].map((line) => line.replace("0.1.0  ", VERSION.padEnd(7))),
  );
});

Deno.test("a node of a release that tells less has gaps; what the gone hold is told", () => {
  const fleet = {
    ...WELL.fleet!,
    nodes: [wellNode("n1", 1, { state: fromNodeFacts({}) })],
    left: [{ session: 3, node: "n3", goneMs: 12_000, credits: 5 }],
    leader: { term: 8, session: null, leaderlessMs: 3_000 },
  };
  const lines = fleetLines({ ...WELL, fleet }, "db", 0);
  assert.ok(lines.includes("leader    none, term 8"));
  assert.ok(lines.includes("held      5 credits for n3, gone for 12 s"));
  assert.match(lines.at(-1)!, /^n1 +\S+ +serves +64 +0\.4 s +http:\/\/n1:1$/);
});

Deno.test("a database without our schema is told alone", () => {
  assert.equal(fleetLines({ ...WELL, fleet: null }, "db", 0).length, 3);
});
