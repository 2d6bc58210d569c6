import assert from "node:assert/strict";
import { fakeWorld } from "../../../worlds/terminal.ts";
import { createContext } from "../context.ts";
import { createOutput } from "../output.ts";
import { askFor } from "./questions.ts";

const KEY = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

function context(answers: string[]) {
  const world = fakeWorld([], { answers, isTerminal: true, env: { HOME: "/root" } });
  const flags = { json: false, rpc: [], gateway: [] };
  return { world, context: createContext(world, flags, createOutput(world, false), []) };
}

Deno.test("all is asked, with defaults, and what is wrong is asked again", async () => {
  const typed = ["paolo..eth", "paolo.eth", "ftp://x", "paolo.example", "free", ""];
  const chain = ["dogecoin", "", "", "0x12", KEY, "", "magic", "", "me@", "", "yes"];
  const { world, context: asked } = context([...typed, ...chain]);
  assert.deepEqual(await askFor(asked, {}), {
    name: "paolo.eth",
    domain: "https://paolo.example",
    price: "0.001",
    chain: "base",
    address: KEY,
    https: "http-01",
    agreeToCa: true,
  });
  const said = world.stderrText();
  for (
    const wrong of [/not an Ethereum address/, /none of base, .*: dogecoin/, /none of http-01/]
  ) {
    assert.match(said, wrong);
  }
  assert.match(said, /Let's Encrypt's terms: https/);
});

Deno.test("what is known is not asked, nor what another answer makes needless", async () => {
  const known = { name: "a.eth", domain: "https://a.test", price: "1", address: KEY } as const;
  const { world, context: asked } = context(["", "proxy"]);
  const answers = await askFor(asked, { ...known, rpc: ["https://rpc.test"] });
  assert.equal(answers.https, "proxy");
  assert.deepEqual(world.questions, ["Gateways: ", "HTTPS [http-01]: "]);
});

Deno.test("without a yes to the authority's terms there is no certificate", async () => {
  const known = { name: "a.eth", domain: "https://a.test", price: "1", address: KEY } as const;
  const { context: asked } = context(["", "", "", "no"]);
  await assert.rejects(askFor(asked, { ...known, rpc: ["https://rpc.test"] }), { code: "usage" });
});
