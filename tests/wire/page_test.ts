import assert from "node:assert/strict";
import { CHAPTERS } from "./chapters.ts";
import { ELSEWHERE } from "./elsewhere.ts";
import { HTTP2_CHAPTERS } from "./http2/chapters.ts";
import { HTTP_PAGE_PATH, httpPage } from "./page.ts";

const ROOT = new URL("../../", import.meta.url);

Deno.test("docs/http.md is what `deno task docs` writes: a row for each case", async () => {
  assert.equal(await Deno.readTextFile(HTTP_PAGE_PATH), httpPage());
});

Deno.test("no two cases of a chapter have one name, and each has a source", () => {
  const cases = [...CHAPTERS, ...HTTP2_CHAPTERS].flatMap(({ title, cases }) =>
    cases.map(({ name, source }) => ({ title, name, source }))
  );
  const names = cases.map(({ title, name }) => `${title}: ${name}`);
  assert.deepEqual(names, [...new Set(names)]);
  for (const { name, source } of cases) {
    assert.match(source, /RFC \d|CVE-\d|http-garden|Http11Probe|llhttp|PortSwigger|h2spec/, name);
  }
});

Deno.test("every chapter that is written is on the page, and so in a test", async () => {
  const indexes = ["tests/wire/chapters.ts", "tests/wire/http2/chapters.ts"];
  const index = (await Promise.all(indexes.map(read))).join("").replace(/^import .*$/gm, "");
  for (const folder of ["tests/wire/cases/", "tests/wire/http2/"]) {
    for await (const { name } of Deno.readDir(new URL(folder, ROOT))) {
      const text = await read(`${folder}${name}`);
      for (
        const [, chapter] of text.matchAll(/^export const ([A-Z0-9_]+): (?:Http2)?Chapter\b/gm)
      ) {
        assert.match(index, new RegExp(`\\b${chapter}\\b`));
      }
    }
  }
});

const read = (path: string) => Deno.readTextFile(new URL(path, ROOT));

Deno.test("a row that another test proves names one that there is", async () => {
  for (const { file, test } of ELSEWHERE) {
    const text = await Deno.readTextFile(new URL(file, ROOT));
    assert.ok(text.includes(`Deno.test("${test}"`), `${file}: ${test}`);
  }
});
