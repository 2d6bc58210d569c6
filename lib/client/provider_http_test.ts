import assert from "node:assert/strict";
import { KhachapuriError } from "../errors.ts";
import { askProvider, printable } from "./provider_http.ts";

const webDomain = "https://p.test";
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** What was asked for, and how; answers all alike. */
function answering(answer: () => Promise<Response>) {
  const asked: { url: string; init: RequestInit }[] = [];
  const fetch = ((url: string, init: RequestInit) => {
    asked.push({ url, init });
    return answer();
  }) as typeof globalThis.fetch;
  return { asked, fetch };
}
const respond = (body: BodyInit | null, init?: ResponseInit) =>
  answering(() => Promise.resolve(new Response(body, init)));

Deno.test("a question without a body is a GET, with one a POST of JSON; nobody is redirected", async () => {
  const { asked, fetch } = respond("{}");
  await askProvider({ webDomain, path: "/a?b", bytesMax: 9, headers: { "x-a": "1" }, fetch });
  const [{ url, init }] = asked as [typeof asked[number]];
  assert.equal(url, "https://p.test/a?b");
  assert.deepEqual([init.method, init.body, init.redirect], [undefined, undefined, "error"]);
  assert.deepEqual(init.headers, { "x-a": "1" });
  const posted = respond("{}");
  await askProvider({ webDomain, path: "/b", bytesMax: 9, body: { c: 1 }, fetch: posted.fetch });
  assert.deepEqual([posted.asked[0]!.init.method, posted.asked[0]!.init.body], ["POST", '{"c":1}']);
});

Deno.test("the whole answer is read, and not a byte more than is allowed", async () => {
  const ask = (bytesMax: number) =>
    askProvider({ webDomain, path: "/", bytesMax, fetch: respond("12345").fetch });
  assert.equal(textOf(await ask(5)), "12345");
  await assert.rejects(ask(4), { code: "provider_unavailable", message: /more than 4 bytes/ });
  const empty = respond(null, { status: 204 });
  assert.equal((await askProvider({ webDomain, path: "/", bytesMax: 0, ...empty })).length, 0);
});

Deno.test("a provider's refusal keeps its code, message and hints, without control characters", async () => {
  const body = { error: "stopped", message: "it\x07 ended", hints: ["ask\x1b[2J its owner", 5] };
  const { fetch } = respond(JSON.stringify(body), { status: 410 });
  await assert.rejects(askProvider({ webDomain, path: "/", bytesMax: 999, fetch }), (error) => {
    assert(error instanceof KhachapuriError);
    assert.equal(error.code, "stopped");
    assert.equal(error.message, "https://p.test: it ended");
    assert.deepEqual(error.hints, ["ask[2J its owner", "5"]);
    return true;
  });
});

Deno.test("a refusal in a form that we don't know is told by its status", async () => {
  const bodies = ["<html>", '{"error":"no_such_code","message":"x"}', '{"error":"stopped"}', "[]"];
  for (const body of bodies) {
    const { fetch } = respond(body, { status: 418 });
    await assert.rejects(askProvider({ webDomain, path: "/", bytesMax: 999, fetch }), {
      code: "provider_unavailable",
      message: "https://p.test answered HTTP 418",
    });
  }
});

Deno.test("a provider that can't be reached, or breaks off, is named", async () => {
  const broken = () =>
    new Response(
      new ReadableStream({
        pull() {
          throw new TypeError("reset");
        },
      }),
    );
  for (
    const [answer, why] of [
      [() => Promise.reject(new TypeError("connection refused")), "nothing listens there"],
      [async () => await broken(), "reset"],
    ] as const
  ) {
    const { fetch } = answering(answer);
    await assert.rejects(askProvider({ webDomain, path: "/x", bytesMax: 9, fetch }), {
      code: "provider_unavailable",
      message: `https://p.test/x can't be reached: ${why}`,
    });
  }
});

/** Never answers; gives up when its signal does. */
function silent() {
  const fetch = ((_: string, { signal }: RequestInit) =>
    new Promise((_, reject) => {
      signal!.addEventListener("abort", () => reject(signal!.reason));
    })) as typeof globalThis.fetch;
  return { fetch };
}

Deno.test("a provider that stays silent is given up, a caller that gives up gets its own reason", async () => {
  const question = { webDomain, path: "/", bytesMax: 9, ...silent() };
  const slow = askProvider({ ...question, timeoutMs: 1 });
  await assert.rejects(slow, { code: "provider_unavailable" });
  const controller = new AbortController();
  const asking = askProvider({ ...question, signal: controller.signal });
  const reason = new RangeError("no longer needed");
  controller.abort(reason);
  await assert.rejects(asking, reason);
});

Deno.test("printable() keeps text and its lines, and drops what drives a terminal", () => {
  assert.equal(printable("a\tb\nc ü 🍞"), "a\tb\nc ü 🍞");
  assert.equal(printable("\x1b[31mred\x9b0m\r\u202eevil\u2066\x00\x7f"), "[31mred0mevil");
});
