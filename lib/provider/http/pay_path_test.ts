import assert from "node:assert/strict";
import { callIn, PAY_PATH, payPath } from "./pay_path.ts";

Deno.test("a call comes out of the page's address as it went in", () => {
  for (const call of ["/bafy", "/bafy/", "/bafy/a%20b?x=1&y=%26#", "/blog.eth/x'y"]) {
    const [path, query] = payPath(call).split("?");
    assert.equal(path, PAY_PATH);
    assert.equal(callIn(query!), call);
  }
});

Deno.test("what is no path of this provider's is not filled in", () => {
  const others = ["", "/", "bafy", "//elsewhere.test/", "/\\elsewhere.test", "/a b", "/a\n", "/é"];
  for (const call of [...others, `/${"x".repeat(2_048)}`]) {
    assert.equal(callIn(`call=${encodeURIComponent(call)}`), "", call.slice(0, 20));
  }
  assert.equal(callIn(null), "");
});
