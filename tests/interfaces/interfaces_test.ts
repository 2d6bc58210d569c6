/** Each row of docs/interfaces.md, tried through each interface on a provider by raw sockets. */
import { CHAPTERS } from "./chapters.ts";
import { INTERFACES } from "./row.ts";
import { openStage } from "./stage.ts";
import { tryRow } from "./trial.ts";

Deno.test("what passes through each interface", async (t) => {
  await using stage = await openStage();
  for (const { title, rows } of CHAPTERS) {
    for (const row of rows) {
      for (const kind of INTERFACES) {
        await t.step(`${title}: ${row.name}: ${kind}`, () => tryRow(stage, row, kind));
      }
    }
  }
});
