import assert from "node:assert/strict";
import {
  formatCurlUrl,
  parseCurlUrl,
  remoteName,
  withFileName,
  withoutGlobs,
  withQuery,
} from "./curl_url.ts";

Deno.test("a URL goes out as it was written, but for dot segments and the fragment", () => {
  const cases = [
    ["http://h", "http://h/"],
    ["h:80/x", "http://h/x"],
    ["HTTPS://H:443?q", "https://H/?q"],
    ["https://h:80/", "https://h:80/"],
    ["http://h/a/./b/../c'\"\\|%2e%2e?x='?/../#f", "http://h/a/c'\"\\|%2e%2e?x='?/../"],
    ["http://h/a/..", "http://h/"],
    ["http://h/x?", "http://h/x?"],
    ["http://h/é?é", "http://h/%C3%A9?é"],
    ["http://[::1]:8/x", "http://[::1]:8/x"],
  ] as const;
  for (const [given, sent] of cases) assert.equal(formatCurlUrl(parseCurlUrl(given)), sent, given);
  assert.equal(parseCurlUrl("http://h/a/../b", true).path, "/a/../b");
  assert.equal(parseCurlUrl("http://[::1]:8/x").hostname, "::1");
});

Deno.test("what is no http(s) URL, or could not be sent, is refused", () => {
  for (
    const text of [
      "ftp://h/",
      "http://",
      "http://h:x/",
      "http://u:p@h/",
      "http://h/a b",
      "http://h/\n",
    ]
  ) {
    assert.throws(() => parseCurlUrl(text), { code: "usage" }, text);
  }
});

Deno.test("a query is put behind the one that is there, before the fragment", () => {
  const cases = [
    ["/x", "a", "/x?a"],
    ["/x?", "a", "/x?a"],
    ["/x?y", "a", "/x?y&a"],
    ["/x?y&#f?", "a", "/x?y&a#f?"],
    ["/x#f", "a", "/x?a#f"],
    ["/x?", "", "/x"],
  ] as const;
  for (const [target, query, whole] of cases) assert.equal(withQuery(target, query), whole);
});

Deno.test("a file's name is put behind a folder's path", () => {
  assert.equal(withFileName("http://h", "a/b c.txt"), "http://h/b%20c.txt");
  assert.equal(withFileName("/x/?q#f", "é"), "/x/%C3%A9?q#f");
  assert.equal(withFileName("/x/..", "f"), "/x/../f");
  assert.equal(withFileName("/x/y", "f"), "/x/y");
  assert.equal(remoteName("http://h/a/b.txt?q#f"), "b.txt");
  assert.equal(remoteName("http://h"), "");
});

Deno.test("brackets are a list of URLs, unless they are an address or escaped", () => {
  assert.equal(withoutGlobs("http://[::1]/x"), "http://[::1]/x");
  assert.equal(withoutGlobs("/a\\[1\\]"), "/a[1]");
  for (const text of ["/{a,b}", "/x[1-3]", "/x?a[]=1"]) {
    assert.throws(() => withoutGlobs(text), { code: "usage" }, text);
  }
});
