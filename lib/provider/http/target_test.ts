import assert from "node:assert/strict";
import { targetOf } from "./target.ts";

const CID = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
const V0 = "QmbWqxBEKC3P8tqsKc98xmWNzrzDtRLMiMPL8wBuTGsMnR";

Deno.test("a cid in the path or in the host names a deployment", () => {
  const cases: [string, string, string, string][] = [
    ["p.example", `/${CID}`, "path", ""],
    ["p.example", `/${CID}/`, "path", "/"],
    ["p.example:8402", `/${CID}/a/b`, "path", "/a/b"],
    ["p.example", `/${CID}//x`, "path", "//x"],
    [`${CID}.p.example`, "/a", "host", "/a"],
    [`${CID.toUpperCase()}.P.EXAMPLE:443`, "/", "host", "/"],
    [`${CID}.p.example:`, "/", "host", "/"],
    [`${CID}.p.example.`, "/", "host", "/"],
    [`${CID}.p.example.:443`, "/", "host", "/"],
    [`p.example.`, `/${CID}/a`, "path", "/a"],
    ["p.example", `/${V0}/q`, "path", "/q"],
  ];
  for (const [host, path, form, rest] of cases) {
    const target = targetOf(host, path, "p.example");
    assert.equal(target.form, form, `${host}${path}`);
    assert.equal(target.path, rest);
    if (target.form !== "provider" && !path.includes(V0)) {
      assert.equal(target.cid, CID);
    }
  }
});

Deno.test("a deployment lives where the caller says, in the caller's spelling", () => {
  const upper = `F01${"a".repeat(8)}`;
  for (const path of [`/${CID}`, `/${V0}/a`]) {
    const target = targetOf("p.example", path, "p.example");
    assert(target.form === "path");
    assert.equal(target.mount + target.path, path);
  }
  const own = targetOf(`${CID}.p.example`, `/${upper}`, "p.example");
  assert(own.form === "host");
  assert.deepEqual([own.mount, own.path], ["", `/${upper}`]);
});

Deno.test("short words are the provider's own paths, what looks like a cid must be one", () => {
  for (const path of ["/", "/healthz", "/terms", "/favicon.ico"]) {
    assert.deepEqual(targetOf("p.example", path, "p.example"), { form: "provider", path });
  }
  for (const path of ["/bafynope", `/${CID}x`, `/${"a".repeat(64)}`]) {
    assert.throws(() => targetOf("p.example", path, "p.example"), { code: "invalid_cid" });
  }
  assert.throws(() => targetOf("nope.p.example", "/", "p.example"), { code: "invalid_cid" });
});

Deno.test("another host's name is no deployment of ours", () => {
  assert.equal(targetOf("evil-p.example", "/", "p.example").form, "provider");
});
