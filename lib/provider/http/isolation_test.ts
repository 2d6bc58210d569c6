import assert from "node:assert/strict";
import { KhachapuriError } from "../../errors.ts";
import { isolate, keepPrivate, refuseServiceWorker } from "./isolation.ts";
import { targetOf } from "./target.ts";

const CID = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";

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
