/** What goes wrong with a fleet, one thing at a time; each ends with all nodes back. */
import { fork } from "../../worlds/chain/anvil_calls.ts";
import { pause } from "../../lib/pause.ts";
import type { FleetMember } from "../../worlds/fleet.ts";
import { until } from "../abuse/server_stage.ts";
import type { Trial } from "./trial.ts";

export type Fault = (trial: Trial) => Promise<void>;

/** Longer than a session lives that nobody prolongs, ms. */
const ASLEEP_MS = 11_500;
/** Nobody leads for so long at most after the leader was killed, ms. */
const LED_MS = 20_000;

const anyNode = ({ fleet: { nodes }, random }: Trial): FleetMember => random.pick(nodes);

export const FAULTS: Readonly<Record<string, Fault>> = {
  async "kill -9 of a node"(trial) {
    const node = anyNode(trial);
    await node.process.kill();
    await pause(trial.random.between(0, 500));
    await node.start();
  },

  async "kill -9 of a PostgreSQL backend"({ fleet: { database }, pair, random }) {
    const backends = await database.database.ask<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()`,
    );
    if (backends.length === 0) return;
    Deno.kill(random.pick(backends).pid, "SIGKILL");
    // All others end with it, and what they did is recovered.
    await until(() => pair.primary.query("SELECT 1").then(() => true, () => false), 30_000);
  },

  async "failover to the standby"({ pair }) {
    await pair.failover();
  },

  async "a wire that is cut, late, or closed half"(trial) {
    const { random } = trial;
    const wires = trial.wiresOf(anyNode(trial));
    const kind = random.pick(["cut", "late", "half", "stands still"]);
    for (const wire of wires) {
      if (kind === "cut") wire.cutAfter(random.pick(["up", "down"]), random.between(1, 2_000));
      if (kind === "late") wire.delay(random.between(50, 400));
      if (kind === "half") wire.halfClose();
      if (kind === "stands still") wire.hold();
    }
    await pause(random.between(200, 1_500));
    for (const wire of wires) {
      wire.delay(0);
      wire.heal();
      if (kind === "cut") wire.cut();
    }
  },

  async "a node asleep for longer than its lease"(trial) {
    const node = anyNode(trial);
    Deno.kill(node.process.pid, "SIGSTOP");
    try {
      await pause(ASLEEP_MS);
    } finally {
      Deno.kill(node.process.pid, "SIGCONT");
    }
  },

  async "kill -9 of the leader between outbox and broadcast"(trial) {
    const held = trial.rpc.holdNext();
    await held;
    const leader = await trial.leader();
    if (leader === null) return;
    await leader.process.kill();
    await until(async () => ![null, leader].includes(await trial.leader()), LED_MS);
    await leader.start();
  },

  async "a node that drains"(trial) {
    const node = anyNode(trial);
    await node.process.stop();
    await node.start();
  },

  async "a chain that takes its last block back"({ fleet: { market } }) {
    const height = () => market.chain.public.getBlockNumber({ cacheTime: 0 });
    const before = await height();
    // A settlement, and nothing that a payer did.
    await until(async () => await height() > before, 30_000);
    await fork(market.chain, 1);
  },
};
