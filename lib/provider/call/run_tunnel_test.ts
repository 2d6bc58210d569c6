import assert from "node:assert/strict";
import { PlayedTunnel } from "../../../worlds/played_tunnel.ts";
import type { Call } from "./call.ts";
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
  return {
    clock,
    played,
    callbacks,
    uptake,
    tunnel: new RunTunnel(call, uptake, played, played.ended),
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

Deno.test("a caller that ends its tunnel has not left its run behind", async () => {
  const { played, callbacks, tunnel } = open();
  await tunnel.write(new TextEncoder().encode("hello"));
  await played.heard("hello");
  tunnel.close();
  await played.closed;
  assert.deepEqual(callbacks, [null]);
});
