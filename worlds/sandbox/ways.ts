/**
 * The ways in which a sandbox comes about: started for its deployment, or ahead of need and then
 * given its program. What holds of a sandbox must hold of both.
 */
import assert from "node:assert/strict";
import { dirname } from "node:path";
import type { EgressEvent } from "../../sandbox/egress.ts";
import type { SandboxHost, SandboxPolicy } from "../../sandbox/policy.ts";
import { openSandbox, type Sandbox } from "../../sandbox/sandbox.ts";
import { Spares } from "../../sandbox/spares.ts";
import { eachLauncher, type Launcher } from "./launchers.ts";

export interface Way extends Launcher {
  readonly isSpare: boolean;
}

/** Registers a test once for each way under each launcher. */
export function eachWay(
  name: string,
  body: (way: Way, t: Deno.TestContext) => Promise<void>,
): void {
  eachLauncher(name, (launcher, t) => body({ ...launcher, isSpare: false }, t));
  eachLauncher(`${name}, in a spare`, (launcher, t) => body({ ...launcher, isSpare: true }, t));
}

/** Opens a sandbox in this way; that a spare was there and was used is asserted. */
export async function openByWay(
  { isSpare, ...host }: SandboxHost & { readonly isSpare: boolean },
  policy: SandboxPolicy,
  onEgress?: (event: EgressEvent) => void,
): Promise<Sandbox> {
  if (!isSpare) return await openSandbox(host, policy, onEgress);
  const spares = await readySpares(host, policy);
  const sandbox = await openSandbox(host, policy, onEgress, spares);
  assert.equal(spares.count(), 0, "the spare was not used");
  return {
    ...sandbox,
    async close() {
      await sandbox.close();
      await spares.close();
    },
  };
}

/** With one that is of use to this policy. */
export async function readySpares(host: SandboxHost, policy: SandboxPolicy): Promise<Spares> {
  const spares = new Spares({
    host,
    programs: dirname(policy.programDir),
    most: 1,
    mayStart: () => true,
  });
  assert.equal(spares.take(policy), null, "the first that is wanted is not there");
  await spares.started();
  assert.equal(spares.count(), 1);
  return spares;
}
