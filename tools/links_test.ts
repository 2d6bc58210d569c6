import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { readDocuments } from "./documents.ts";
import { anchorsOf, deadLinks, linksIn, slugOf } from "./links.ts";

const ROOT = join(import.meta.dirname!, "..");

Deno.test("no link between the documents is dead", async () => {
  const documents = await readDocuments(ROOT);
  assert(documents.length > 15, `${documents.length} documents`);
  assert.deepEqual(deadLinks(documents, (path) => existsSync(join(ROOT, path))), []);
});

Deno.test("links are found in prose, and not in code or comments", () => {
  const text = [
    "See [one](a.md), [two",
    "lines](b.md#x) and `[code](c.md)`.",
    "```md",
    "[fenced](d.md)",
    "```",
    "<!-- [comment](e.md) -->",
    "![picture](f.png) [g]: no",
    "[h]: i.md",
  ].join("\n");
  assert.deepEqual(linksIn(text), [
    { target: "a.md", line: 1 },
    { target: "b.md#x", line: 2 },
    { target: "f.png", line: 7 },
    { target: "i.md", line: 8 },
  ]);
});

Deno.test("a heading's anchor is what GitHub makes of it", () => {
  const cases: [string, string][] = [
    ["Setting up", "setting-up"],
    ["With any x402 client", "with-any-x402-client"],
    ["curl's flags", "curls-flags"],
    ["What a provider & a payer can", "what-a-provider--a-payer-can"],
    ["`deno task up`, [linked](x.md)", "deno-task-up-linked"],
    ["ხაჭაპური 1.0", "ხაჭაპური-10"],
  ];
  for (const [heading, slug] of cases) assert.equal(slugOf(heading), slug);
  const text = "# A\n## A\n```sh\n# no heading\n```\n## B ##\n";
  assert.deepEqual([...anchorsOf(text)], ["a", "a-1", "b"]);
});

Deno.test("what leads nowhere is told with its place", () => {
  const documents = [
    { path: "README.md", text: "# Top\n[a](docs/a.md#one) [b](#nope) [c](https://x.example/y)" },
    { path: "docs/a.md", text: "# One\n[up](../README.md#top) [out](../../x) [gone](b.md)\n" },
    { path: "docs/c.md", text: "[code](../main.ts#L1) [dir](../lib)" },
  ];
  const there = new Set(["README.md", "docs/a.md", "main.ts", "lib"]);
  assert.deepEqual(deadLinks(documents, (path) => there.has(path)), [
    "README.md:2: #nope: no such heading",
    "docs/a.md:2: ../../x: leads out of the project",
    "docs/a.md:2: b.md: there is no such file",
    "docs/c.md:1: ../main.ts#L1: only documents have headings",
  ]);
});
