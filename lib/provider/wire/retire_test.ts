/** A listener whose place another one takes. */
import assert from "node:assert/strict";
import { openWire } from "../../../worlds/wire.ts";
import type { Handle } from "../http/request.ts";

const echo: Handle = ({ path }) =>
  Promise.resolve({ status: 200, headers: [], body: new TextEncoder().encode(path) });

Deno.test("an idle connection is served once more, told that it was the last, and closed", async () => {
  await using wire = await openWire(echo);
  await using socket = await wire.connect();
  const ask = "GET /a HTTP/1.1\r\nhost: a\r\n\r\n";
  await socket.write(ask);
  const first = await socket.readUntil("/a");
  assert.doesNotMatch(first, /connection: close/i);
  const retired = wire.listener.retire(1_000);
  await assert.rejects(wire.connect());
  await socket.write(ask.replace("/a", "/b"));
  assert.match(await socket.readUntil("/b"), /connection: close/i);
  await retired;
});
