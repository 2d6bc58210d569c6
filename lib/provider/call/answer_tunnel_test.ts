/** What a WebSocket costs, and what it holds meanwhile. */
import assert from "node:assert/strict";
import { openCallWorld } from "../../../worlds/calls.ts";
import { PlayedTunnel } from "../../../worlds/played_tunnel.ts";
import { answerRun } from "./answer.ts";

Deno.test("a tunnel is told of its payment, holds no slot, and is charged once, at its end", async () => {
  using world = await openCallWorld();
  const played = new PlayedTunnel();
  const going = world.nextRun();
  world.program = () => {};
  const call = await world.open({ lane: "lane" });
  const started = await call.start(await call.scheme.admit(call.bill), null);
  const program = await going;
  const respond = () =>
    Promise.resolve({
      status: 101,
      headers: [["sec-websocket-accept", "yes"]] as [string, string][],
      read: () => Promise.reject(new Error("it has no body")),
      cancel: () => Promise.resolve(),
      announcedBytes: null,
      hasHead: true,
      tunnel: played,
    });
  const answer = await answerRun(call, { ...started, run: { ...started.run, respond } }, null);
  assert.equal(answer.status, 101);
  const names = answer.headers.map(([name]) => name);
  assert.ok(names.includes("sec-websocket-accept") && names.length > 4, names.join());
  assert.equal(world.parts.gate.slots.busy(), 0);
  assert.deepEqual(world.endings(), [[]]);
  played.say("hello");
  assert.equal((await answer.tunnel!.read())?.length, 5);
  answer.tunnel!.close();
  await played.closed;
  program.exit();
  await answer.tunnel!.ended;
  assert.deepEqual(world.endings(), [["charged answered"]]);
  await world.assertNothingTaken();
});
