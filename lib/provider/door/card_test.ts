import assert from "node:assert/strict";
import { CID } from "../../../worlds/calls.ts";
import { assertRefused, openRouteWorld } from "../../../worlds/routes.ts";
import { parseAbout } from "../../spec/about.ts";
import { labelFault } from "../../spec/name_label.ts";
import { CARD_PREFIX, cardPage } from "./card.ts";

const HTML = { headers: { accept: "text/html" } };
const ABOUT = {
  description: "Turns <b>words</b> around.",
  method: "POST",
  input: { type: "text", example: "words" },
  output: { type: "json", example: { words: "sdrow" } },
  tags: ["text", "fun"],
};

const EXACT = { scheme: "exact", network: "eip155:8453", amount: "10000" };

const shown = (html: string) =>
  html.replace(/&#([0-9]+);/g, (_, code) => String.fromCharCode(Number(code)));

Deno.test("a card says how a deployment is called and paid, and nothing that nobody asked for", async () => {
  using world = await openRouteWorld();
  const response = await world.ask(`${CARD_PREFIX}${CID}`, HTML);
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-security-policy")!, /^default-src 'none'; script-src/);
  const html = shown(await response.text());
  for (
    const said of [
      `curl 'https://provider.test/${CID}'`,
      "0.001 USDC, unless the owner pays",
      `href="/pay?call=%2F${CID}"`,
    ]
  ) assert.ok(html.includes(said), said);
  const { spec } = await world.parts.programs.deployments.get(CID, "127.0.0.1");
  for (const secret of [spec.id, spec.owner]) {
    assert.ok(!html.toLowerCase().includes(secret.toLowerCase()), secret);
  }
  assert.deepEqual(await (await world.ask(`${CARD_PREFIX}${CID}`)).json(), {
    cid: CID,
    url: `https://provider.test/${CID}`,
    price: "1000",
    about: null,
  });
});

Deno.test("what its owner says of it is on it, as text", async () => {
  using world = await openRouteWorld();
  const { body } = cardPage(world.parts.offering, [EXACT], {
    cid: CID,
    about: parseAbout(ABOUT, "about"),
    isOwners: false,
  });
  assert.ok(!body.includes("unless the owner pays"));
  assert.ok(!body.includes("<b>"));
  for (
    const said of [
      ABOUT.description,
      `curl -H 'content-type: text/plain' --data-raw words 'https://provider.test/${CID}'`,
      "<dt>Once</dt><dd>0.01 USDC, nothing locked</dd>",
      "text, fun",
      '"words": "sdrow"',
    ]
  ) assert.ok(shown(body).includes(said), said);
});

Deno.test("a card is refused as a call is, and nobody's name stands where it does", async () => {
  using world = await openRouteWorld();
  const other = CID.replace("bafkreig", "bafkreih");
  await assertRefused(world.ask(`${CARD_PREFIX}${other}`), 404, "not_found");
  for (const path of ["", "nope", `${CID}/more`]) {
    await assertRefused(world.ask(CARD_PREFIX + path), 404, "not_found");
  }
  for (const word of [CARD_PREFIX.split("/")[1]!, "pay"]) {
    assert.match(labelFault(word)!, /means something else/, word);
  }
});
