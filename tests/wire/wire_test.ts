/** Each row of docs/http.md, tried on a provider by raw sockets. */
import assert from "node:assert/strict";
import { CHAPTERS } from "./chapters.ts";
import { openStage } from "./stage.ts";
import { tryCase } from "./trial.ts";

Deno.test("the wire", async (t) => {
  await using stage = await openStage();
  for (const { title, cases } of CHAPTERS) {
    for (const each of cases) await t.step(`${title}: ${each.name}`, () => tryCase(stage, each));
  }
  await t.step("nobody is charged afterwards", async () => {
    const charges = stage.charges();
    await stage.market.provider.stop();
    assert.equal(stage.charges(), charges);
  });
});
