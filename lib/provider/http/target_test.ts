import assert from "node:assert/strict";
import { formatCid } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import { isolate, keepPrivate, refuseServiceWorker, targetOf } from "./target.ts";

const CID = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
const V0 = "QmbWqxBEKC3P8tqsKc98xmWNzrzDtRLMiMPL8wBuTGsMnR";

Deno.test("a cid in the path or in the host names a deployment", () => {
  const cases: [string, string, string, string][] = [
    ["p.example", `/${CID}`, "path", "/"],
    ["p.example:8402", `/${CID}/a/b`, "path", "/a/b"],
    ["p.example", `/${CID}//x`, "path", "//x"],
    [`${CID}.p.example`, "/a", "host", "/a"],
    [`${CID.toUpperCase()}.P.EXAMPLE:443`, "/", "host", "/"],
    ["p.example", `/${V0}/q`, "path", "/q"],
  ];
  for (const [host, path, form, rest] of cases) {
    const target = targetOf(host, path, "p.example");
    assert.equal(target.form, form, `${host}${path}`);
    assert.equal(target.path, rest);
    if (target.form !== "provider" && !path.includes(V0)) {
      assert.equal(formatCid(target.cid), CID);
    }
  }
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

Deno.test("under a shared origin nothing of an answer outlives it", () => {
  const headers = Object.entries({
    "set-cookie": "a=b",
    "clear-site-data": '"*"',
    "service-worker-allowed": "/",
    "www-authenticate": 'Basic realm="x"',
    "x-accel-redirect": "/internal/secret",
    "x-sendfile": "/etc/passwd",
    "content-security-policy": "default-src *",
    "content-type": "text/html",
  });
  const safe = new Headers(isolate("path", headers));
  assert.equal(safe.get("set-cookie"), null);
  assert.equal(safe.get("clear-site-data"), null);
  assert.equal(safe.get("service-worker-allowed"), null);
  assert.equal(safe.get("www-authenticate"), null);
  assert.equal(safe.get("x-accel-redirect"), null);
  assert.equal(safe.get("x-sendfile"), null);
  assert.equal(safe.get("content-security-policy"), "default-src *, sandbox");
  assert.equal(safe.get("x-content-type-options"), "nosniff");
  assert.equal(safe.get("content-type"), "text/html");
});

Deno.test("on a host of its own a deployment keeps its cookies to itself", () => {
  const safe = new Headers(isolate("host", [
    ["set-cookie", "a=b; Domain=p.example; Path=/"],
    ["set-cookie", "c=d; Secure"],
    ["www-authenticate", "Basic"],
    ["x-accel-redirect", "/internal/secret"],
    ["x-content-type-options", "sniff"],
  ]));
  assert.equal(safe.get("x-content-type-options"), "nosniff");
  assert.deepEqual(safe.getSetCookie(), ["a=b; Path=/", "c=d; Secure"]);
  assert.equal(safe.get("content-security-policy"), null);
  assert.equal(safe.get("www-authenticate"), "Basic");
  assert.equal(safe.get("x-accel-redirect"), null);
});

Deno.test("no cache keeps what a caller paid for, whatever the program says", () => {
  const headers = Object.entries({
    "cache-control": "public, max-age=31536000",
    "cdn-cache-control": "max-age=60",
    "surrogate-control": "max-age=60",
    expires: "Fri, 01 Jan 2100 00:00:00 GMT",
  });
  assert.deepEqual(keepPrivate(headers), [["cache-control", "no-store"]]);
});

Deno.test("a service worker is refused under a shared origin only", () => {
  const headers = new Headers({ "service-worker": "script" });
  const target = targetOf("p.example", `/${CID}`, "p.example");
  assert.throws(() => refuseServiceWorker(target, headers), KhachapuriError);
  refuseServiceWorker(targetOf(`${CID}.p.example`, "/", "p.example"), headers);
});
