import assert from "node:assert/strict";
import { EGRESS } from "../../../worlds/routes.ts";
import { sampleSpec } from "../../../worlds/spec/sample_spec.ts";
import type { CidText } from "../../cid.ts";
import { InstanceBudget } from "../server/instance_budget.ts";
import { StartGate } from "../server/start_gate.ts";
import { openDeployed } from "./deployed_workplace.ts";
import { sandboxOf } from "./interface/interface.ts";

const EARS = { onEvent: () => {}, onIdle: () => {} };
const GROUND = {
  host: { launcher: "bwrap", runUid: Deno.uid() === 0 ? 1_870_000_000 : null },
  isPaying: () => false,
  limits: { timeoutMs: 9_000, memoryMb: 64, credits: 1, responseBytes: 1_000 },
  egress: EGRESS,
  noteEgress: () => {},
  servers: {
    budget: new InstanceBudget(1),
    starts: new StartGate(),
    idleMs: 1_000,
    sockets: { take: () => Promise.reject(new Error("no server is started")) },
  },
} as const;

async function deployed(fields: Record<string, unknown>) {
  const spec = await sampleSpec({ fields });
  return { cid: "bafy" as CidText, spec, entry: spec.providers[0]! };
}

Deno.test("a spec asks for less than the provider allows, never for more", async () => {
  const limits = { timeoutMs: 4_000, memoryMb: 512, concurrency: 1, ownerCreditsPerMinute: 1 };
  const deployment = await deployed({ limits });
  const asked: string[] = [];
  const spares = {
    take({ programDir }: { programDir: string }) {
      asked.push(programDir);
      return null;
    },
  };
  const ground = { ...GROUND, spares };
  const workplace = await openDeployed(ground, deployment, "/usr", EARS);
  const { timeoutMs, memoryMb } = sandboxOf(await workplace.take()).limits;
  assert.deepEqual([timeoutMs, memoryMb, asked], [4_000, 64, ["/usr"]]);
  await workplace.close();
});

Deno.test("a server has no sandbox before it has an instance", async () => {
  const deployment = await deployed({ interface: "http" });
  const workplace = await openDeployed(GROUND, deployment, "/usr", EARS);
  assert.deepEqual(workplace.view()?.instances, []);
  await workplace.close();
});
