/** Bounds of connections, as strangers meet them. */
import assert from "node:assert/strict";
import { HEAD_TIMEOUT_MS, NETWORK_CONNECTIONS_MAX } from "../../lib/limits.ts";
import { listen } from "../../lib/provider/wire/listener.ts";
import { hearLog } from "../../worlds/heard_log.ts";
import { mirror, openWire } from "../../worlds/wire.ts";
import { Connection } from "./connection.ts";

const DEADLINE_MS = HEAD_TIMEOUT_MS + 5_000;
const CALL = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

Deno.test("whoever does not finish a head is sent away in time, however it dawdles", async () => {
  await using wire = await openWire(mirror);
  async function dawdle(pieces: readonly string[], everyMs: number): Promise<number | null> {
    using connection = await Connection.open(wire.port);
    const left = [...pieces];
    const send = () => connection.send(left.shift() ?? "");
    await send();
    const timer = setInterval(send, everyMs);
    const begun = Date.now();
    const answer = await connection.readAnswer("GET", DEADLINE_MS);
    clearInterval(timer);
    assert.notEqual(await connection.readEnd(DEADLINE_MS), "open");
    assert.ok(Date.now() - begun < HEAD_TIMEOUT_MS + 3_000, "it took too long");
    return answer?.status ?? null;
  }
  const slowly = [..."GET / HTTP/1.1\r\nX-A: slowly, slowly"];
  assert.deepEqual(
    await Promise.all([
      dawdle(["GET / HTTP/1.1\r\nHost: a\r\n"], DEADLINE_MS),
      dawdle(slowly, 500),
      dawdle([], DEADLINE_MS),
    ]),
    [408, 408, 408],
  );
});

Deno.test("one network has so many connections, and others are served once it lets go", async () => {
  // Loopback stands for a proxy's many callers, and has no such bound of its own.
  const listener = await listen({
    place: { hostname: "127.0.0.1", port: 0 },
    tls: null,
    handle: mirror,
    log: hearLog().log,
    networkOf: () => "192.0.2.0/24",
    senderOf: () => ({ address: "192.0.2.1", scheme: null }),
  });
  const port = Number(new URL(listener.url).port);
  const served = async (connection: Connection) => {
    await connection.send(CALL);
    return (await connection.readAnswer("GET", DEADLINE_MS))?.status;
  };
  {
    using held = new DisposableStack();
    const connections: Connection[] = [];
    for (let count = 0; count < NETWORK_CONNECTIONS_MAX; count++) {
      connections.push(held.use(await Connection.open(port)));
    }
    for (let count = 0; count < 20; count++) {
      using beyond = await Connection.open(port);
      assert.notEqual(await beyond.readEnd(DEADLINE_MS), "open", "one more is kept");
    }
    for (const connection of connections.slice(-10)) assert.equal(await served(connection), 200);
  }
  // The listener hears a moment later that they have gone.
  const until = Date.now() + DEADLINE_MS;
  let status: number | null | undefined;
  while (status !== 200) {
    assert.ok(Date.now() < until, "nobody is served any more");
    using next = await Connection.open(port);
    status = await served(next).catch(() => null);
  }
  await listener.stop(0);
});
