/** A listener whose place another one takes. */
import assert from "node:assert/strict";
import { connect } from "node:http2";
import { makeFolder } from "../../../worlds/home.ts";
import { LOCALHOST_CERT, LOCALHOST_KEY } from "../../../worlds/localhost_certificate.ts";
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

Deno.test("over HTTP/2 what was asked is answered, and then the client is told to go", async () => {
  await using dir = await makeFolder();
  const files = { cert: `${dir.dir}/cert.pem`, key: `${dir.dir}/key.pem` };
  await Deno.writeTextFile(files.cert, LOCALHOST_CERT);
  await Deno.writeTextFile(files.key, LOCALHOST_KEY);
  const reached = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  await using wire = await openWire(async (request) => {
    reached.resolve();
    await released.promise;
    return await echo(request);
  }, files);
  const session = connect(wire.url, { rejectUnauthorized: false });
  const gone = new Promise((resolve) => session.once("close", resolve));
  const stream = session.request({ ":path": "/held" });
  let text = "";
  stream.setEncoding("utf8").on("data", (chunk: string) => text += chunk);
  const ended = new Promise((resolve) => stream.once("end", resolve));
  stream.end();
  await reached.promise;
  const retired = wire.listener.retire(1_000);
  released.resolve();
  await ended;
  assert.equal(text, "/held");
  await Promise.all([gone, retired]);
});
