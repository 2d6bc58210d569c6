import assert from "node:assert/strict";
import { openRouteWorld, RUNTIMES, TERMS } from "../../../worlds/routes.ts";
import { offeringJson } from "../http/page.ts";
import { termsHash } from "../../spec/terms.ts";

Deno.test("the front page says in JSON what is offered, and how it may be paid", async () => {
  using world = await openRouteWorld();
  const response = await world.ask("/");
  assert.equal(response.headers.get("content-type"), "application/json");
  const said = await response.json();
  assert.deepEqual(said, offeringJson(world.parts.offering, [{ scheme: "counting" }], RUNTIMES));
});

Deno.test("the front page says whether programs find the interpreter that is asked for", async () => {
  using world = await openRouteWorld();
  const cases: [string, boolean][] = [
    ["sh", true],
    ["/bin/sh", true],
    ["/usr/bin/../bin/env", true],
    ["nosuch3.99", false],
    ["/usr/bin/nosuch", false],
    ["/usr/bin", false],
    ["/usr/bin/../../etc/passwd", false],
    ["../sbin/init", false],
    ["", false],
    ["x".repeat(5_000), false],
  ];
  for (const [asked, isFound] of cases) {
    const said = await (await world.ask(`/?runtime=${encodeURIComponent(asked)}`)).json();
    assert.equal(said.runtimeFound, isFound, asked.slice(0, 40));
  }
  assert.ok(!("runtimeFound" in await (await world.ask("/")).json()));
});

Deno.test("a browser gets a page that loads nothing and runs its own script alone", async () => {
  using world = await openRouteWorld();
  const accept = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8";
  const response = await world.ask("/", { headers: { accept } });
  assert.equal(response.headers.get("content-type"), "text/html; charset=utf-8");
  assert.equal(response.headers.get("vary"), "accept");
  const policy = response.headers.get("content-security-policy")!;
  assert.match(policy, /default-src 'none'/);
  assert.match(policy, /script-src 'sha256-[^' ]+'; style-src 'sha256-[^' ]+';/);
  assert.doesNotMatch(policy, /unsafe|https?:/);
  assert.match(await response.text(), /^<!doctype html>/);
});

Deno.test("a provider is well, or says why not and takes no new calls", async () => {
  using world = await openRouteWorld();
  world.program = () => {};
  const started = world.nextRun();
  const call = world.call();
  const run = await started;
  const well = await world.ask("/healthz");
  assert.equal(well.status, 200);
  assert.deepEqual(await well.json(), { ok: true, runs: 1, sandboxes: 3 });
  run.exit();
  await call;
  world.parts.health = () => Promise.resolve("the chain cannot be reached");
  const ill = await world.ask("/healthz");
  assert.equal(ill.status, 503);
  const reason = "the chain cannot be reached";
  assert.deepEqual(await ill.json(), { ok: false, reason, runs: 0, sandboxes: 3 });
});

Deno.test("metrics are Prometheus's text, new each time", async () => {
  using world = await openRouteWorld();
  await world.ask("/terms");
  const response = await world.ask("/metrics");
  assert.match(response.headers.get("content-type")!, /^text\/plain; version=0\.0\.4/);
  assert.equal(response.headers.get("cache-control"), "no-store");
  assert.match(await response.text(), /^khachapuri_responses_total\{status="200"\} 1$/m);
});

Deno.test("the newest terms are told, and older ones by their hash", async () => {
  using world = await openRouteWorld();
  const [newest, older] = TERMS as [Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>];
  const cases: [string, Uint8Array<ArrayBuffer>][] = [
    ["/terms", newest],
    [`/terms?hash=${termsHash(newest)}`, newest],
    [`/terms?hash=${termsHash(older)}`, older],
  ];
  for (const [path, text] of cases) {
    const response = await world.ask(path);
    assert.equal(response.headers.get("content-type"), "text/plain; charset=utf-8");
    assert.equal(response.headers.get("x-terms-hash"), termsHash(text));
    assert.deepEqual(await response.bytes(), text);
  }
});

Deno.test("terms that are not stood by are not told", async () => {
  using world = await openRouteWorld();
  for (const hash of [`0x${"11".repeat(32)}`, "constructor", ""]) {
    const response = await world.ask(`/terms?hash=${hash}`);
    assert.equal(response.status, 404);
    assert.equal(response.headers.get("x-terms-hash"), null);
  }
});
