import assert from "node:assert/strict";
import { nameIn } from "./name_text.ts";

Deno.test("a name has one spelling, however it is sent", () => {
  const cases: [string, string, string][] = [
    ["blog.eth", "ens", "blog.eth"],
    ["Sub.BLOG.eth.", "ens", "sub.blog.eth"],
    ["b%C3%BCcher.eth", "ens", "bücher.eth"],
    ["xn--bcher-kva.eth", "ens", "bücher.eth"],
    ["www.example.com", "dnslink", "www.example.com"],
    ["WWW.Example.COM.", "dnslink", "www.example.com"],
    ["b%C3%BCcher.de", "dnslink", "xn--bcher-kva.de"],
    ["xn--bcher-kva.de", "dnslink", "xn--bcher-kva.de"],
    ["a.xn--p1ai", "dnslink", "a.xn--p1ai"],
    ["1.2.3.example.org", "dnslink", "1.2.3.example.org"],
    ["my.zip", "dnslink", "my.zip"],
  ];
  for (const [text, kind, name] of cases) assert.deepEqual(nameIn(text), { kind, name }, text);
});

Deno.test("what is no name of ENS or DNS is none", () => {
  const none = [
    "",
    ".",
    "..",
    "eth",
    ".eth",
    "a..eth",
    "a_b!.eth",
    "localhost",
    "provider",
    "127.0.0.1",
    "[::1]",
    "1.2.3.4",
    "example.123",
    "-a.example.com",
    "a-.example.com",
    "a..com",
    "_dnslink.example.com",
    "a b.com",
    "a%20b.com",
    "%ff.com",
    "%.com",
    "a%2fb.com",
    "favicon.ico",
    "robots.txt",
    "wp-login.php",
    "index.html",
    ".env",
    ".well-known",
    "service.local",
    "hidden.onion",
    "provider.example",
    `${"a".repeat(64)}.com`,
    `${"a.".repeat(130)}com`,
    "..%2f..%2fetc.com",
  ];
  for (const text of none) assert.equal(nameIn(text), null, text);
});
