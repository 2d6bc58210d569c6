import assert from "node:assert/strict";
import type { EgressEvent } from "../../../sandbox/egress.ts";
import { hearLog } from "../../../worlds/heard_log.ts";
import { sampleSpec } from "../../../worlds/spec/sample_spec.ts";
import type { CidText } from "../../cid.ts";
import { egressNotes } from "./egress_notes.ts";

const EVENTS: readonly EgressEvent[] = [
  { kind: "used", connections: 1, sentBytes: 20, receivedBytes: 300 },
  { kind: "used", connections: 0, sentBytes: 0, receivedBytes: 0 },
  { kind: "asked", host: "b.test" },
  { kind: "failed", host: "a.test", port: 1, failure: "notPublic" },
];

async function noted(isLogged: boolean) {
  const spec = await sampleSpec({ fields: { egress: ["a.test:1"] } });
  const { log, lines } = hearLog();
  const heard: EgressEvent[] = [];
  const note = egressNotes({ note: (event) => void heard.push(event) }, isLogged ? log : null);
  for (const event of EVENTS) note({ cid: "bafya" as CidText, spec }, event);
  return { heard, lines: lines.map((line) => JSON.parse(line)), owner: spec.owner };
}

Deno.test("what programs call is counted, and in nobody's log", async () => {
  const { heard, lines } = await noted(false);
  assert.deepEqual([heard, lines], [EVENTS, []]);
});

Deno.test("an operator who wants to know sees which deployment called whom, and how much", async () => {
  const { heard, lines, owner } = await noted(true);
  assert.deepEqual(heard, EVENTS);
  const caller = { cid: "bafya", owner };
  assert.deepEqual(lines.map(({ time: _, level: __, ...line }) => line), [
    {
      message: "hosts were called",
      ...caller,
      hosts: ["a.test:1"],
      connections: 1,
      sentBytes: 20,
      receivedBytes: 300,
    },
    { message: "a host was not reached", ...caller, kind: "asked", host: "b.test" },
    {
      message: "a host was not reached",
      ...caller,
      kind: "failed",
      host: "a.test",
      port: 1,
      failure: "notPublic",
    },
  ]);
});
