import assert from "node:assert/strict";
import { CHAPTERS } from "./chapters.ts";
import { ELSEWHERE } from "./elsewhere.ts";
import { HTTP_PAGE_PATH, httpPage } from "./page.ts";

const ROOT = new URL("../../", import.meta.url);

Deno.test("docs/http.md is what `deno task docs` writes: a row for each case", async () => {
  assert.equal(await Deno.readTextFile(HTTP_PAGE_PATH), httpPage());
});

Deno.test("no two cases of a chapter have one name, and each has a source", () => {
  const cases = CHAPTERS.flatMap(({ title, cases }) => cases.map((each) => ({ title, ...each })));
  const names = cases.map(({ title, name }) => `${title}: ${name}`);
  assert.deepEqual(names, [...new Set(names)]);
  for (const { name, source } of cases) {
    assert.match(source, /RFC \d|CVE-\d|http-garden|Http11Probe|llhttp|PortSwigger/, name);
  }
});

Deno.test("every file of cases is in a chapter of the page", async () => {
  const index = await Deno.readTextFile(new URL("tests/wire/chapters.ts", ROOT));
  for await (const { name } of Deno.readDir(new URL("tests/wire/cases/", ROOT))) {
    assert.ok(index.includes(`"./cases/${name}"`), name);
    const text = await Deno.readTextFile(new URL(`tests/wire/cases/${name}`, ROOT));
    for (const [, chapter] of text.matchAll(/^export const ([A-Z_]+): Chapter/gm)) {
      assert.match(index, new RegExp(`^  ${chapter},$`, "m"));
    }
  }
});

Deno.test("a row that another test proves names one that there is", async () => {
  for (const { file, test } of ELSEWHERE) {
    const text = await Deno.readTextFile(new URL(file, ROOT));
    assert.ok(text.includes(`Deno.test("${test}"`), `${file}: ${test}`);
  }
});
