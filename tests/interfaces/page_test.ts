import assert from "node:assert/strict";
import { CHAPTERS } from "./chapters.ts";
import { ELSEWHERE } from "./elsewhere.ts";
import { interfacesPage, PAGE_PATH } from "./page.ts";
import { INTERFACES } from "./row.ts";

const ROOT = new URL("../../", import.meta.url);

Deno.test("docs/interfaces.md is what `deno task docs` writes: a cell for each step", async () => {
  assert.equal(await Deno.readTextFile(PAGE_PATH), interfacesPage());
});

Deno.test("no two rows of a chapter have one name, and a refusal is free", () => {
  for (const { rows } of CHAPTERS) {
    const names = rows.map(({ name }) => name);
    assert.deepEqual(names, [...new Set(names)]);
    for (const { name, outcomes } of rows) {
      for (const kind of INTERFACES) {
        const { status, isFree = false } = outcomes[kind];
        if ([400, 501].includes(status)) assert.ok(isFree, `${name}: ${kind}`);
      }
    }
  }
});

Deno.test("a row that another test proves names one that there is", async () => {
  for (const { file, test } of ELSEWHERE) {
    const text = await Deno.readTextFile(new URL(file, ROOT));
    assert.ok(text.includes(`"${test}"`), `${file}: ${test}`);
  }
});
