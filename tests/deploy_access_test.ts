/** `deploy --access payer` by its command: it says who pays, and how it is called. */
import assert from "node:assert/strict";
import { startMarket } from "../worlds/market.ts";
import { NAME, openOwnersHome } from "../worlds/owners_home.ts";

const hello = new URL("../samples/hello", import.meta.url).pathname;

Deno.test("deploy says that callers pay for what is theirs to pay, and prints the paying call", async () => {
  await using market = await startMarket();
  await using owner = await openOwnersHome(market);
  const flags = ["--provider", NAME, "--accept-terms"];
  for (
    const [access, how, whose] of [
      ["payer", "khachapuri call --pay", "at its callers' expense"],
      ["public", "curl", "600 a minute at your expense"],
    ] as const
  ) {
    const { code, out, err } = await owner.run(["deploy", hello, ...flags, "--access", access]);
    assert.equal(code, 0, err);
    const [cid, call] = out.trim().split("\n");
    assert.equal(call, `${how} ${market.provider.url}/${cid}`);
    assert.ok(err.includes(`credits     1 a run, ${whose}\n`), err);
    const answer = await fetch(`${market.provider.url}/${cid}?Nino`);
    assert.equal(answer.status, access === "payer" ? 402 : 200);
    await answer.body?.cancel();
  }
});
