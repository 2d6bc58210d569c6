import assert from "node:assert/strict";
import { PlayedTunnel } from "../../../worlds/played_tunnel.ts";
import type { Call } from "./call.ts";
import type { PaidTime } from "./paid_time.ts";
import { RunTunnel } from "./run_tunnel.ts";
import { Uptake } from "./uptake.ts";

const CREDIT_MS = 5_000;

/** A tunnel, with what is heard when its caller goes. */
function open() {
  const clock = { now: 0 };
  const played = new PlayedTunnel();
  const callbacks: unknown[] = [];
  const request = { whenGone: (callback: unknown) => void callbacks.push(callback) };
  const call = { arrival: { request } } as unknown as Call;
  const uptake = new Uptake(CREDIT_MS, () => clock.now);
  let isStopped = false;
  const paidTime = { stop: () => void (isStopped = true) } as PaidTime;
  return {
    clock,
    played,
    callbacks,
    uptake,
    stopped: () => isStopped,
    tunnel: new RunTunnel(call, { uptake, paidTime }, played, played.ended),
  };
}

Deno.test("what a caller does not take of a tunnel is no reason to pay for more", async () => {
  const { clock, played, uptake, tunnel } = open();
  played.say("a");
  await tunnel.read();
  clock.now += CREDIT_MS;
  assert.throws(() => uptake.assertTaken(), { code: "program_timeout" });
  const more = tunnel.read();
  uptake.assertTaken();
  clock.now += 10 * CREDIT_MS;
  uptake.assertTaken();
  played.say("b");
  assert.equal(new TextDecoder().decode((await more)!), "b");
  const last = tunnel.read();
  played.finish();
  assert.equal(await last, null);
  clock.now += CREDIT_MS;
  uptake.assertTaken();
});

Deno.test("what a program said before it failed is heard, and then its end", async () => {
  const { played, tunnel } = open();
  played.say("last");
  assert.equal(new TextDecoder().decode((await tunnel.read())!), "last");
  const next = tunnel.read();
  played.break(new Error("it died"));
  assert.equal(await next, null);
});

Deno.test("a caller that ends its tunnel has not left its run behind, nor pays for more", async () => {
  const { played, callbacks, tunnel, stopped } = open();
  await tunnel.write(new TextEncoder().encode("hello"));
  await played.heard("hello");
  assert.ok(!stopped());
  tunnel.close();
  await played.closed;
  assert.ok(stopped());
  assert.deepEqual(callbacks, [null]);
});
