import assert from "node:assert/strict";
import { openRouteWorld, SELLER } from "../../../worlds/routes.ts";

const HTML = { headers: { accept: "text/html" } };

const shown = (html: string) =>
  html.replace(/&#([0-9]+);/g, (_, code) => String.fromCharCode(Number(code)));

Deno.test("a call is filled in, and what is none or would be more than text is not", async () => {
  using world = await openRouteWorld();
  const call = "/bafy/x?y='\"><script>alert(1)</script>";
  const html = await (await world.ask(`/pay?call=${encodeURIComponent(call)}`, HTML)).text();
  assert.ok(!html.includes("<script>alert"));
  assert.equal(shown(html).split(`value="${call}"`).length - 1, 1);
  const elsewhere = await (await world.ask("/pay?call=//elsewhere.test/", HTML)).text();
  assert.ok(!elsewhere.includes("elsewhere.test"));
});

Deno.test("a script is told what would be taken now, and the page whom it pays", async () => {
  using world = await openRouteWorld();
  const response = await world.ask("/pay", { headers: { accept: "application/json" } });
  assert.deepEqual(await response.json(), { accepts: [{ scheme: "counting" }] });
  const html = await (await world.ask("/pay", HTML)).text();
  const [, json] = /<script type="application\/json" id="terms">(.*?)<\/script>/s.exec(html)!;
  const { escrow, provider, chainId } = JSON.parse(json!);
  assert.deepEqual({ escrow, provider, chainId }, {
    escrow: SELLER.escrow,
    provider: SELLER.provider,
    chainId: SELLER.chainId,
  });
});
