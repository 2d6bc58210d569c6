import assert from "node:assert/strict";
import { prefersHtml } from "./prefers_html.ts";

Deno.test("a browser that goes to a page gets one", () => {
  const navigations = [
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
    "text/html, application/json;q=0.9",
    "TEXT/HTML; q=0.5",
    "*/*;q=0.1, text/html;level=1",
  ];
  for (const accept of navigations) assert.equal(prefersHtml(accept), true, accept);
});

Deno.test("scripts and programs get JSON", () => {
  const others = [
    null,
    "",
    "*/*",
    "text/*",
    "application/json",
    "application/json, text/plain, */*",
    "application/json, text/html",
    "text/html;q=0",
    "text/html;q=none",
    "text/html;q=0.5, application/json",
    "text/html-sandboxed",
  ];
  for (const accept of others) assert.equal(prefersHtml(accept), false, String(accept));
});
