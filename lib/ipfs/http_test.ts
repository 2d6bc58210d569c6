import assert from "node:assert/strict";
import { type Network, parseRetryAfter, requestGateway } from "./http.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");
const signal = new AbortController().signal;

/** A network that answers from a table of URLs and notes what was asked. */
function network(answers: Record<string, Response>) {
  const asked: string[] = [];
  const world: Network = {
    fetch: ((url: URL) => {
      asked.push(url.href);
      const answer = answers[url.href];
      return answer ? Promise.resolve(answer.clone()) : Promise.reject(new TypeError("refused"));
    }) as typeof fetch,
    resolve: (name) =>
      Promise.resolve(
        ({
          "gateway.example": ["1.1.1.1"],
          "other.example": ["2606:4700::1111"],
          "inside.example": ["10.0.0.7"],
          "metadata.example": ["169.254.169.254"],
          "localhost": ["127.0.0.1"],
        } as Record<string, string[]>)[name] ?? [],
      ),
    now: () => NOW,
  };
  return { world, asked };
}

const ask = (world: Network, url: string) =>
  requestGateway(world, { url: new URL(url), accept: "application/vnd.ipld.raw", signal });
const moved = (location: string, status = 302) =>
  new Response(null, { status, headers: { location } });
const START = "https://gateway.example/ipfs/x";

Deno.test("redirects are followed between public gateways and inside one gateway", async () => {
  const { world, asked } = network({
    [START]: moved("/ipfs/y", 301),
    "https://gateway.example/ipfs/y": moved("https://other.example/z", 307),
    "https://other.example/z": new Response("bytes", { headers: { "content-type": "A/B; C=D" } }),
  });
  const answer = await ask(world, START);
  assert.equal(answer?.contentType, "a/b; c=d");
  assert.equal(await new Response(answer?.body ?? null).text(), "bytes");
  assert.equal(asked.length, 3);
});

Deno.test("who reads is told to the gateway that is asked, and to none that it leads to", async () => {
  const told: [string, string | null][] = [];
  const { world } = network({});
  world.fetch = ((url: URL, { headers }: { headers: Record<string, string> }) => {
    told.push([url.href, headers.authorization ?? null]);
    if (url.href === START) return Promise.resolve(moved("/ipfs/y"));
    if (url.pathname === "/ipfs/y") return Promise.resolve(moved("https://other.example/z"));
    return Promise.resolve(new Response("bytes"));
  }) as typeof fetch;
  const authorization = "Khachapuri e30";
  const ownFields = { authorization };
  await requestGateway(world, { url: new URL(START), accept: "*/*", ownFields, signal });
  assert.deepEqual(told, [
    [START, authorization],
    ["https://gateway.example/ipfs/y", authorization],
    ["https://other.example/z", null],
  ]);
});

Deno.test("an operator's own gateway on loopback may redirect to loopback", async () => {
  const { world } = network({
    "http://127.0.0.1:8080/ipfs/x": moved("http://localhost:8081/ipfs/x"),
    "http://localhost:8081/ipfs/x": new Response("bytes"),
  });
  assert.ok(await ask(world, "http://127.0.0.1:8080/ipfs/x"));
});

Deno.test("redirects that leave the public internet or plain HTTP are not followed", async () => {
  const refused: [string, string, RegExp][] = [
    [START, "https://127.0.0.1/", /private network/],
    [START, "https://[::1]/", /private network/],
    [START, "https://[::ffff:127.0.0.1]/", /private network/],
    [START, "https://2130706433/", /private network/],
    [START, "https://localhost:5001/api/v0/shutdown", /private network/],
    [START, "https://inside.example/", /private network/],
    [START, "https://169.254.169.254/latest/meta-data/", /off limits/],
    [START, "https://metadata.example/", /off limits/],
    [START, "https://unknown.example/", /off limits/],
    [START, "http://other.example/", /from https: to http:/],
    [START, "file:///etc/passwd", /to file:/],
    [START, "data:text/plain,x", /to data:/],
    [START, "https://me:secret@other.example/", /password/],
    [START, "https://[", /no URL/],
    ["http://gateway.example/", "http://169.254.169.254/", /off limits/],
    ["http://gateway.example/", "http://10.1.2.3/", /private network/],
    ["http://127.0.0.1:8080/", "http://169.254.169.254/latest/", /off limits/],
  ];
  for (const [from, to, message] of refused) {
    const { world, asked } = network({ [new URL(from).href]: moved(to) });
    await assert.rejects(ask(world, from), { code: "ipfs_unavailable", message }, to);
    assert.equal(asked.length, 1, to);
  }
});

Deno.test("a redirect loop ends after four hops", async () => {
  const { world, asked } = network({ [START]: moved(START) });
  await assert.rejects(ask(world, START), { code: "ipfs_unavailable", message: /redirects more/ });
  assert.equal(asked.length, 5);
});

Deno.test("every status means one thing", async () => {
  const table: [number, string | null][] = [
    [404, "not_found"],
    [410, "not_found"],
    [451, "not_found"],
    [400, null],
    [406, null],
    [501, null],
    [204, "ipfs_unavailable"],
    [206, "ipfs_unavailable"],
    [304, "ipfs_unavailable"],
    [403, "ipfs_unavailable"],
    [429, "ipfs_unavailable"],
    [500, "ipfs_unavailable"],
    [502, "ipfs_unavailable"],
    [503, "ipfs_unavailable"],
    [504, "ipfs_unavailable"],
  ];
  for (const [status, code] of table) {
    const { world } = network({ [START]: new Response(null, { status }) });
    if (code === null) assert.equal(await ask(world, START), null, `${status}`);
    else await assert.rejects(ask(world, START), { code }, `${status}`);
  }
  await assert.rejects(ask(network({}).world, START), { code: "ipfs_unavailable" });
});

Deno.test("a content coding is refused unread", async () => {
  for (const coding of ["gzip", "br", "zstd", "identity, gzip"]) {
    const { world } = network({
      [START]: new Response("bomb", { headers: { "content-encoding": coding } }),
    });
    await assert.rejects(ask(world, START), {
      code: "ipfs_unavailable",
      message: /content coding/,
    });
  }
});

Deno.test("Retry-After is honoured within bounds, and has a default", async () => {
  const table: [string | null, number | null][] = [
    ["7", 7],
    ["0", 1],
    ["60", 60],
    ["61", 60],
    ["99999999999999999999", 60],
    ["Thu, 01 Jan 2026 00:00:30 GMT", 30],
    ["Wed, 31 Dec 2025 00:00:00 GMT", 1],
    ["Fri, 01 Jan 2100 00:00:00 GMT", 60],
    ["-5", null],
    ["soon", null],
    ["", null],
    [null, null],
  ];
  for (const [header, seconds] of table) {
    assert.equal(parseRetryAfter(header, NOW), seconds, `${header}`);
  }
  const { world } = network({
    [START]: new Response(null, { status: 429 }),
    "https://gateway.example/": new Response(null, {
      status: 503,
      headers: { "retry-after": "3" },
    }),
  });
  await assert.rejects(ask(world, START), { retryAfterSeconds: 10 });
  await assert.rejects(ask(world, "https://gateway.example/"), { retryAfterSeconds: 3 });
});
