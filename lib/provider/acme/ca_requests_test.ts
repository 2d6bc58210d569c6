import assert from "node:assert/strict";
import { caRequests } from "./ca_requests.ts";

const URL_OF_CA = "https://ca.example/order";
const never = new AbortController().signal;

/** Asks a CA that answers so. */
function ask(answer: () => Response | Promise<Response>, more: { timeoutMs?: number } = {}) {
  const fetch = ((_url: unknown, { signal }: RequestInit) => {
    const aborted = new Promise<never>((_, reject) => {
      signal!.addEventListener("abort", () => reject(signal!.reason), { once: true });
    });
    return Promise.race([answer(), aborted]);
  }) as unknown as typeof globalThis.fetch;
  return caRequests({ fetch, now: () => 0, signal: never, ...more })(URL_OF_CA, "post", {});
}

const json = (value: unknown, init: ResponseInit = {}, type = "application/json") =>
  new Response(JSON.stringify(value), {
    ...init,
    headers: { "content-type": type, ...init.headers },
  });

Deno.test("an answer is read as what it says it is", async () => {
  const said = await ask(() => json({ status: "valid" }, { headers: { location: "x" } }));
  assert.deepEqual([said.status, said.data, said.headers.location], [
    200,
    { status: "valid" },
    "x",
  ]);
  assert.equal((await ask(() => new Response("PEM"))).data, "PEM");
});

Deno.test("a refusal is told with when to come back; a bad nonce is not one", async () => {
  const type = "urn:ietf:params:acme:error:rateLimited";
  const refused = ask(() =>
    json({ type, detail: "too many" }, { status: 429, headers: { "retry-after": "3600" } })
  );
  await assert.rejects(refused, { code: "no_certificate", retryAfterSeconds: 3_600 });
  const bare = ask(() => new Response("slow", { status: 429, headers: { "retry-after": "60" } }));
  await assert.rejects(bare, { retryAfterSeconds: 60, data: { problem: "rateLimited" } });
  const nonce = { type: "urn:ietf:params:acme:error:badNonce", detail: "again" };
  assert.equal((await ask(() => json(nonce, { status: 400 }))).status, 400);
});

Deno.test("what no CA would answer is refused by name", async () => {
  const type = { "content-type": "application/json" };
  const cases: [() => Response | Promise<Response>, RegExp][] = [
    [() => new Response("<html>", { headers: type }), /answers 200 with what is no JSON/],
    [() => new Response("x".repeat(300_000)), /answers with more than 262144 bytes/],
    [() => new Response("", { status: 502 }), /ca\.example answers 502/],
    [() => new Response(null, { status: 302, headers: { location: "/" } }), /answers 302/],
    [() => Promise.reject(new TypeError("connection refused")), /nothing listens there/],
    [() => new Promise<Response>(() => {}), /can't be reached/],
  ];
  for (const [answer, message] of cases) {
    await assert.rejects(ask(answer, { timeoutMs: 50 }), { code: "no_certificate", message });
  }
});

Deno.test("a CA is asked over TLS alone", async () => {
  const request = caRequests({ fetch, now: () => 0, signal: never });
  for (const url of ["http://ca.example/", "file:///etc/passwd", "", "https://"]) {
    await assert.rejects(request(url, "get"), { message: /names no https URL/ }, url);
  }
});
