import assert from "node:assert/strict";
import { connect } from "node:net";
import { LOCALHOST_CERT, LOCALHOST_KEY } from "../worlds/localhost_certificate.ts";
import { isUntrusted, whyRefused, whyUnreachable } from "./unreachable.ts";

/** What fetch throws at a listener that does this with each connection. */
async function met(act: (connection: Deno.Conn) => unknown, scheme = "http"): Promise<unknown> {
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const { port } = listener.addr as Deno.NetAddr;
  const accepting = (async () => {
    for await (const connection of listener) {
      await act(connection);
      try {
        connection.close();
      } catch { /* the act has closed it */ }
    }
  })();
  const thrown = await failureAt(`${scheme}://127.0.0.1:${port}/`);
  listener.close();
  await accepting;
  return thrown;
}

async function failureAt(url: string, signal?: AbortSignal): Promise<unknown> {
  try {
    const response = await fetch(url, { redirect: "error", ...(signal ? { signal } : {}) });
    await response.text();
  } catch (error) {
    return error;
  }
  assert.fail(`${url} answered`);
}

const saying = (text: string) => async (connection: Deno.Conn) => {
  await connection.read(new Uint8Array(4_096));
  await connection.write(new TextEncoder().encode(text));
};

function closedPort(): number {
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  listener.close();
  return (listener.addr as Deno.NetAddr).port;
}

Deno.test("what fetch meets is told in words", async () => {
  const port = closedPort();
  const cases: [unknown, RegExp][] = [
    [await failureAt(`http://127.0.0.1:${port}/`), /^nothing listens there$/],
    [await failureAt("http://nowhere.invalid/"), /^its name /],
    [await met(() => {}), /^it closed the connection without an answer$/],
    [await met(saying("SSH-2.0-OpenSSH_9.2\r\n")), /^it does not speak HTTP there$/],
    [await met(saying("HTTP/1.1 400 no\r\n\r\n"), "https"), /^it does not speak TLS there/],
    [await met(saying("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx")), /^it broke its answer/],
    [await met(saying("HTTP/1.1 302 x\r\nlocation: /x\r\n\r\n")), /^it redirects elsewhere/],
    [await failureAt("http://127.0.0.1:1/"), /no such port/],
  ];
  for (const [thrown, words] of cases) assert.match(whyUnreachable(thrown), words);
});

Deno.test("a host that stays silent is told from one that is not there", async () => {
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const { port } = listener.addr as Deno.NetAddr;
  const thrown = await failureAt(`http://127.0.0.1:${port}/`, AbortSignal.timeout(50));
  listener.close();
  assert.equal(whyUnreachable(thrown), "it was silent for too long");
});

Deno.test("a certificate that nobody vouches for is told apart", async () => {
  await using server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", cert: LOCALHOST_CERT, key: LOCALHOST_KEY, onListen() {} },
    () => new Response("never"),
  );
  const thrown = await failureAt(`https://localhost:${server.addr.port}/`);
  assert.match(whyUnreachable(thrown), /^its certificate can't be trusted: /);
  assert.equal(isUntrusted(thrown), true);
  assert.equal(isUntrusted(await failureAt(`http://127.0.0.1:${closedPort()}/`)), false);
});

Deno.test("what node:net meets is told in the same words", async () => {
  const thrown = await new Promise((resolve) =>
    connect({ host: "127.0.0.1", port: closedPort() }).once("error", resolve)
  );
  assert.equal(whyUnreachable(thrown), "nothing listens there");
  for (const [code, words] of [["ETIMEDOUT", /too long/], ["ENETUNREACH", /no way/]] as const) {
    assert.match(whyUnreachable(Object.assign(new Error("x"), { code })), words);
  }
});

Deno.test("words that nobody foresaw are kept, without the URL and its key", () => {
  const thrown = new TypeError("fetch failed", { cause: new Error("odd at https://a.b/KEY x") });
  assert.equal(whyUnreachable(thrown), "odd at it x");
});

Deno.test("a status says what to look at", () => {
  assert.equal(whyRefused(401), "it wants another key (HTTP 401)");
  assert.equal(whyRefused(429), "it has had enough requests for now (HTTP 429)");
  assert.equal(whyRefused(502), "it is out of order (HTTP 502)");
});
