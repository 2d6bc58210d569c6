import assert from "node:assert/strict";
import { CID } from "../../../worlds/calls.ts";
import { openRouteWorld, SELLER } from "../../../worlds/routes.ts";
import { parseAbout } from "../../spec/about.ts";

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

Deno.test("a call is filled in as its owner shows it, where it is open here", async () => {
  using world = await openRouteWorld();
  const { deployments } = world.parts.programs;
  const deployment = await deployments.get(CID, "127.0.0.1");
  const input = { type: "json", example: { a: "</textarea>" } };
  const about = parseAbout({ description: "Does it.", input }, "about");
  const known = { ...deployment, spec: { ...deployment.spec, about } };
  deployments.known = (cid) => cid === CID ? known : null;
  const pageOf = async (call: string) =>
    shown(await (await world.ask(`/pay?call=${encodeURIComponent(call)}`, HTML)).text());
  for (const call of [`/${CID}`, `/${CID}/`]) {
    const html = await pageOf(call);
    assert.ok(html.includes("<option selected>POST</option>"), call);
    assert.ok(html.includes(`data-type="application/json">\n{"a":"</textarea>"}</textarea>`));
    assert.ok(
      html.includes(`${CID}${call.slice(CID.length + 1)} -H 'content-type: application/json'`),
    );
  }
  for (const call of [`/${CID}/below`, "/bafynope", "/terms"]) {
    assert.ok(!(await pageOf(call)).includes("<option selected>"), call);
  }
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
