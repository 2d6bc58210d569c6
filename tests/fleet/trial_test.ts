/**
 * Whatever goes wrong with a fleet, its money is right to the unit: `deno task test:fleet` has each
 * thing go wrong a hundred times, among the long tests each does once. A run is repeated with the
 * seed that it prints.
 */
import assert from "node:assert/strict";
import { findPostgres } from "../../worlds/postgres/server.ts";
import { proxyVersion } from "../../worlds/proxies.ts";
import { seededRandom } from "../../worlds/random.ts";
import { FAULTS } from "./faults.ts";
import { startTrial } from "./trial.ts";

const ROUNDS = Number(Deno.env.get("KHACHAPURI_FLEET_ROUNDS") ?? 1);
/** Only those whose name has this. */
const ONLY = Deno.env.get("KHACHAPURI_FLEET_FAULT") ?? "";
/** Answers between two things that go wrong. */
const BETWEEN = 20;
const BIN = await findPostgres();
const ignore = BIN === null || await proxyVersion("haproxy") === null;

for (const [name, fault] of Object.entries(FAULTS).filter(([name]) => name.includes(ONLY))) {
  Deno.test({
    name: `the books of a fleet are right after ${ROUNDS} × ${name}`,
    ignore,
    async fn() {
      const random = seededRandom(name);
      await using trial = await startTrial(BIN!, random);
      await trial.goesOn(BETWEEN);
      const begun = performance.now();
      for (let round = 0; round < ROUNDS; round++) {
        await fault(trial);
        await trial.goesOn(BETWEEN);
      }
      const seconds = Math.round((performance.now() - begun) / 1_000);
      const audit = await trial.audit();
      report(`${name}: ${JSON.stringify({ rounds: ROUNDS, seconds, ...audit })}`);
      assert.ok(audit.charged >= audit.answered);
    },
  });
}

function report(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
}
