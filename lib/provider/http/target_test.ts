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
    if (!path.includes(V0)) assert.equal((target as { cid?: string }).cid, CID);
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

const HAD = new Set(["blog", "kitchen", `${"long-".repeat(8)}name`]);
const named = (host: string, path: string) => targetOf(host, path, "p.example", HAD);

Deno.test("a name is told from words, files and cids, in a path and in a host", () => {
  const cases: [string, string, string, string, string, string, string][] = [
    ["p.example", "/blog", "path", "register", "blog", "/blog", ""],
    ["p.example", "/blog/", "path", "register", "blog", "/blog", "/"],
    ["p.example", "/Blog/a", "path", "register", "blog", "/Blog", "/a"],
    ["p.example", "/%62lo%67/a%2Fb", "path", "register", "blog", "/%62lo%67", "/a%2Fb"],
    ["p.example", "/kitchen/a/b", "path", "register", "kitchen", "/kitchen", "/a/b"],
    ["p.example", `/${[...HAD][2]}/`, "path", "register", [...HAD][2]!, `/${[...HAD][2]}`, "/"],
    ["p.example:8402", "/blog.eth//x", "path", "ens", "blog.eth", "/blog.eth", "//x"],
    ["localhost", "/WWW.shop.com/x", "path", "dnslink", "www.shop.com", "/WWW.shop.com", "/x"],
    ["blog.p.example", "/a", "host", "register", "blog", "", "/a"],
    ["BLOG.p.example.:443", "/", "host", "register", "blog", "", "/"],
    ["www.shop.com", "/blog/a", "domain", "dnslink", "www.shop.com", "", "/blog/a"],
    ["WWW.Shop.com.:8402", "/", "domain", "dnslink", "www.shop.com", "", "/"],
    ["xn--bcher-kva.de", "/", "domain", "dnslink", "xn--bcher-kva.de", "", "/"],
    ["blog.eth", "/", "domain", "ens", "blog.eth", "", "/"],
  ];
  for (const [host, path, at, kind, name, mount, rest] of cases) {
    const target = named(host, path);
    assert(target.form === "name", `${host}${path}`);
    const { at: where, kind: which, name: what, mount: on, path: then } = target;
    assert.deepEqual([where, which, what, on, then], [at, kind, name, mount, rest]);
    assert.equal(target.otherwise !== null, at === "domain");
  }
});

Deno.test("words that nobody has, own paths and cids are what they were without names", () => {
  for (const host of ["p.example", "localhost:1", "127.0.0.1:8402", "[::1]:80", "provider", ""]) {
    for (
      const path of [
        "/",
        "/healthz",
        "/favicon.ico",
        "/robots.txt",
        "/nobody",
        "/%",
        "/%ff",
        "/.env",
        "*",
      ]
    ) {
      assert.deepEqual(named(host, path), targetOf(host, path, "p.example"), host + path);
    }
    assert.deepEqual(named(host, `/${CID}/a`), targetOf(host, `/${CID}/a`, "p.example"));
  }
  assert.deepEqual(named(`${CID}.p.example`, "/"), targetOf(`${CID}.p.example`, "/", "p.example"));
  for (const path of ["/bafynope", `/${CID}x`, "/kitchens"]) {
    assert.throws(() => named("p.example", path), { code: "invalid_cid" });
  }
  for (const label of ["nobody", "kitchens", "www", "ipfs", "healthz", "a.blog", "x"]) {
    assert.throws(() => named(`${label}.p.example`, "/"), {
      code: "not_found",
      shortMessage: `nobody has the name ${label} here`,
    });
  }
  assert.throws(() => named("bafynope.p.example", "/"), { code: "invalid_cid" });
});

Deno.test("at a domain that nobody has pointed here a request is the provider's, or a cid's", () => {
  const otherwise = (path: string) => {
    const target = named("www.shop.com", path);
    assert(target.form === "name");
    return target.otherwise!();
  };
  assert.deepEqual(otherwise("/healthz"), { form: "provider", path: "/healthz" });
  assert.equal(otherwise(`/${CID}/a`).form, "path");
  assert.equal(otherwise("/blog/a").form, "name");
  // A page of the domain may be called like that.
  assert.throws(() => otherwise("/bafynope"), { code: "invalid_cid" });
});
