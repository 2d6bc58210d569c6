import assert from "node:assert/strict";
import { LOCALHOST_CERT, LOCALHOST_KEY } from "../../worlds/localhost_certificate.ts";
import { KhachapuriError } from "../errors.ts";
import type { WireRequest } from "./curl_request.ts";
import { sendRequest } from "./curl_send.ts";
import { parseCurlUrl, requestTarget } from "./curl_url.ts";

const PLAIN = { connectTimeoutMs: null, expectTimeoutMs: 1_000, isInsecure: false, ca: null };

/** A server that hands each connection to `serve` and closes it after. */
function listen(serve: (connection: Deno.Conn) => Promise<void>) {
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const served = (async () => {
    for await (const connection of listener) {
      await serve(connection).catch(() => {});
      connection.close();
    }
  })();
  return {
    url: `http://127.0.0.1:${(listener.addr as Deno.NetAddr).port}/`,
    async [Symbol.asyncDispose]() {
      listener.close();
      await served;
    },
  };
}

const write = (connection: Deno.Conn, text: string) =>
  connection.write(new TextEncoder().encode(text));

function request(text: string, more: Partial<WireRequest> = {}): WireRequest {
  const url = parseCurlUrl(text);
  const fields = [["Host", url.host] as const];
  const rest = { target: requestTarget(url), fields, body: null, isChunked: false };
  return { url, method: "GET", isExpecting: false, ...rest, ...more };
}

const send = (wire: WireRequest, options = {}) =>
  sendRequest(wire, { ...PLAIN, signal: null, ...options });

Deno.test("an answer that breaks off is a failure after what came of it", async () => {
  await using server = listen(async (connection) => {
    await connection.read(new Uint8Array(1_000));
    await write(
      connection,
      "HTTP/1.1 200 Fine\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 9\r\n\r\nhalf",
    );
  });
  const answer = await send(request(server.url));
  assert.equal(answer.reason, "Fine");
  assert.deepEqual(answer.fields.slice(0, 2), [["X-A", "1"], ["x-a", "2"]]);
  await assert.rejects(new Response(answer.body).text(), {
    code: "provider_unavailable",
    message: /broke the answer off after 4 bytes/,
  });
});

Deno.test("a body that waits for 100 is not sent to who refuses the head", async () => {
  let heard = "";
  await using server = listen(async (connection) => {
    const buffer = new Uint8Array(1_000);
    heard += new TextDecoder().decode(buffer.subarray(0, (await connection.read(buffer))!));
    await write(connection, "HTTP/1.1 402 Pay\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    const count = await connection.read(buffer);
    if (count !== null) heard += new TextDecoder().decode(buffer.subarray(0, count));
  });
  const wire = request(server.url, {
    method: "PUT",
    body: new TextEncoder().encode("body"),
    fields: [["Host", "h"], ["Expect", "100-continue"], ["Content-Length", "4"]],
    isExpecting: true,
  });
  const answer = await send(wire, { expectTimeoutMs: 60_000 });
  assert.equal(answer.status, 402);
  await new Response(answer.body).text();
  assert.match(heard, /\r\n\r\n$/);
});

Deno.test("a server that can't be reached is told in words", async () => {
  const free = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const { port } = free.addr as Deno.NetAddr;
  free.close();
  await assert.rejects(send(request(`http://127.0.0.1:${port}/`)), {
    code: "provider_unavailable",
    message: `http://127.0.0.1:${port} can't be reached: nothing listens there`,
  });
  await assert.rejects(send(request("http://nowhere.invalid/")), /its name/);
  await using mute = listen(() => Promise.resolve());
  await assert.rejects(send(request(mute.url)), /without an answer/);
});

Deno.test("a certificate is checked, against --cacert too, unless -k says not to", async () => {
  await using server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", cert: LOCALHOST_CERT, key: LOCALHOST_KEY, onListen() {} },
    () => new Response("secret"),
  );
  const url = (host: string) => request(`https://${host}:${server.addr.port}/`);
  const text = async (host: string, options: object) =>
    await new Response((await send(url(host), options)).body).text();
  await assert.rejects(send(url("localhost")), {
    code: "provider_unavailable",
    message: /certificate can't be trusted/,
  });
  const ca = LOCALHOST_CERT;
  await assert.rejects(send(url("127.0.0.1"), { ca }), /certificate can't be trusted/);
  assert.equal(await text("localhost", { ca }), "secret");
  assert.equal(await text("127.0.0.1", { isInsecure: true }), "secret");
});

Deno.test("a call ends with its signal, before the answer and within it", async () => {
  await using server = listen(async (connection) => {
    const buffer = new Uint8Array(1_000);
    const count = await connection.read(buffer);
    const isBegun = new TextDecoder().decode(buffer.subarray(0, count!)).startsWith("GET /begun");
    if (isBegun) await write(connection, "HTTP/1.1 200 OK\r\n\r\nfirst");
    await connection.read(buffer);
  });
  const late = new KhachapuriError("program_timeout", "late");
  const before = new AbortController();
  const pending = send(request(server.url), { signal: before.signal });
  before.abort(late);
  await assert.rejects(pending, late);

  const within = new AbortController();
  const { body } = await send(request(`${server.url}begun`), { signal: within.signal });
  const reader = body.getReader();
  await reader.read();
  within.abort(late);
  await assert.rejects(reader.read(), late);
});
