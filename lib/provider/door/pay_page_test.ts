import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { openRouteWorld } from "../../../worlds/routes.ts";

/** All told: the page loads nothing else. */
const PAGE_BYTES_MAX = 60_000;
const HTML = { headers: { accept: "text/html" } };

Deno.test("the payer's page is small, whole, and held to itself", async () => {
  using world = await openRouteWorld();
  const response = await world.ask(`/pay?call=/${"x".repeat(2_000)}`, HTML);
  assert.equal(response.status, 200);
  const html = await response.text();
  assert.ok(html.length < PAGE_BYTES_MAX, `${html.length} bytes`);
  const [, script] = /<script type="module">(.*)<\/script>/s.exec(html)!;
  const [, style] = /<style>(.*?)<\/style>/s.exec(html)!;
  const hash = (text: string) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
  assert.deepEqual(response.headers.get("content-security-policy")!.split("; "), [
    "default-src 'none'",
    `script-src ${hash(script!)}`,
    `style-src ${hash(style!)}`,
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ]);
  assert.equal(response.headers.get("referrer-policy"), "no-referrer");
  const markup = html.replace(script!, "");
  assert.doesNotMatch(
    markup,
    /\b(?:src|srcset)=|<link|<iframe|\bon[a-z]+=|\bstyle=|url\(|@import/i,
  );
});

Deno.test("every control of the page has a name, and every heading names its part", async () => {
  using world = await openRouteWorld();
  const html = await (await world.ask("/pay", HTML)).text();
  const ids = new Set([...html.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id));
  assert.equal(ids.size, html.match(/ id="/g)!.length, "an id stands twice");
  for (const [, of] of html.matchAll(/aria-(?:labelledby|describedby)="([^"]+)"/g)) {
    for (const id of of!.split(" ")) assert.ok(ids.has(id), id);
  }
  for (const [control] of html.matchAll(/<(?:input|select|textarea)[^>]*>/g)) {
    const [, id] = / id="([^"]+)"/.exec(control) ?? [];
    const isNamed = /type="radio"|aria-label=/.test(control) ||
      html.includes(`<label for="${id}">`);
    assert.ok(isNamed, control);
  }
});
