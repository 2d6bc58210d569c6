import assert from "node:assert/strict";
import { join } from "node:path";
import { readDocuments } from "./documents.ts";
import { MENU, pagesOf, titleOf } from "./site_pages.ts";

const ROOT = join(import.meta.dirname!, "..");

Deno.test("every document of the project has a title, and a place in the site's menu", async () => {
  const documents = await readDocuments(ROOT);
  for (const document of documents) assert(titleOf(document).length > 2);
  const listed = MENU.flatMap(({ items }) => items);
  // Each of the samples has a few lines of its own beside the code: the samples' page leads there.
  const own = documents.map(({ path }) => path).filter((path) => !/^samples\/.+\//.test(path));
  assert.deepEqual([...listed].sort(), own.sort());
});

Deno.test("a file that is no document is shown on a page of its own", () => {
  const documents = [
    { path: "docs/a.md", text: "# A\n[conf](x/Caddyfile) [code](../main.ts#L3) [dir](../lib)" },
    { path: "README.md", text: "# R\n[a](docs/a.md#b) [web](https://x.example/y.ts)" },
  ];
  const files: Record<string, string> = { "docs/x/Caddyfile": "a {\n}\n", "main.ts": "1\n" };
  const pages = pagesOf(documents, (path) => files[path] ?? null);
  const text = (path: string) => pages.find((page) => page.path === path)?.text;
  assert.equal(text("docs/a.md"), "# A\n[conf](./x/Caddyfile.md) [code](../main.ts.md) dir");
  assert.equal(text("README.md"), documents[1]!.text);
  assert.equal(text("docs/x/Caddyfile.md"), "# docs/x/Caddyfile\n\n````text\na {\n}\n````\n");
  assert.equal(text("main.ts.md"), "# main.ts\n\n````ts\n1\n````\n");
  assert.equal(pages.length, 4);
});
