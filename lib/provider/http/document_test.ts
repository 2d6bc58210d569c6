import assert from "node:assert/strict";
import { type Document, documentAnswer, documentHtml, jsonElement, linesHtml } from "./document.ts";

const PAGE: Document = {
  title: "<b>",
  body: "<main></main>",
  style: "p {}",
  script: "1",
  asks: false,
};

Deno.test("a page asks nobody unless it says that it asks the provider", () => {
  const policyOf = (page: Document) =>
    new Headers(documentAnswer(page).headers).get("content-security-policy")!;
  assert.match(policyOf(PAGE), /^default-src 'none'; .*frame-ancestors 'none'$/);
  assert.doesNotMatch(policyOf(PAGE), /connect-src/);
  assert.match(policyOf({ ...PAGE, asks: true }), /connect-src 'self';/);
  assert.notEqual(policyOf({ ...PAGE, script: "2" }), policyOf(PAGE));
  assert.match(documentHtml(PAGE), /<title>&#60;b&#62;<\/title>/);
});

Deno.test("nothing within ends the element that it stands in", () => {
  const element = jsonElement("terms", { name: "</script><script>alert(1)</script>" });
  assert.equal(element.split("<").length - 1, 2);
  assert.equal(JSON.parse(element.replace(/<[^>]*>/g, "")).name.slice(0, 9), "</script>");
  const lines = linesHtml("a", `"what"`, ["<x>"]);
  assert.match(lines, /aria-label="Copy &#34;what&#34;"/);
  assert.match(lines, />&#60;x&#62;<\/pre>/);
});
