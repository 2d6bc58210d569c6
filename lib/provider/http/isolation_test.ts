import assert from "node:assert/strict";
import { KhachapuriError } from "../../errors.ts";
import { isolate, keepPrivate, OF_ONE_ANSWER, refuseServiceWorker } from "./isolation.ts";
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

Deno.test("under a shared origin a program may ask for a token, and for nothing that a browser has", () => {
  const passes = (value: string) =>
    isolate("path", [["www-authenticate", value]]).some(([name]) => name === "www-authenticate");
  for (
    const value of [
      "Bearer",
      'Bearer realm="a, Basic b", error=invalid_token, error_description="it \\"expired\\""',
      'bearer resource_metadata="https://a.example/.well-known/oauth-protected-resource"',
      'DPoP algs="ES256 PS256"',
    ]
  ) assert(passes(value), value);
  for (
    const value of [
      'Basic realm="x"',
      "Negotiate",
      'Bearer realm="a", Basic realm="x"',
      'Bearer realm="a", Basic',
      "Bearer, Negotiate",
      'Bearer realm="a" Basic realm="b"',
      'Bearer realm="open, Basic realm=x',
      "PrivateToken challenge=a",
      "",
      `Bearer${" a=b,".repeat(5_000)}`,
    ]
  ) assert(!passes(value), value.slice(0, 80));
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

/**
 * Response fields of the IANA registry, of browsers and of proxies, by where a program may say
 * them: in both forms, on a host of its own, or nowhere.
 */
const FIELDS: Readonly<Record<"both" | "host" | "nowhere", string>> = {
  both: `accept-patch accept-post accept-query accept-ranges access-control-allow-headers
    access-control-allow-methods access-control-allow-origin access-control-expose-headers
    access-control-max-age age allow cache-control content-digest content-disposition
    content-encoding content-language content-length content-location content-md5 content-range
    content-security-policy content-security-policy-report-only content-type
    cross-origin-embedder-policy cross-origin-opener-policy cross-origin-resource-policy date dav
    deprecation digest document-isolation-policy document-policy etag expires feature-policy
    integrity-policy last-modified link location lock-token mcp-protocol-version mcp-session-id
    memento-datetime permissions-policy pragma preference-applied ratelimit ratelimit-limit
    ratelimit-policy ratelimit-remaining ratelimit-reset referrer-policy refresh repr-digest
    request-id retry-after sec-websocket-accept sec-websocket-extensions sec-websocket-protocol
    sec-websocket-version server server-timing signature signature-input sourcemap sunset
    timing-allow-origin traceparent traceresponse tracestate vary want-content-digest
    want-repr-digest warning x-content-security-policy x-dns-prefetch-control x-download-options
    x-frame-options x-powered-by x-ratelimit-limit x-request-id x-robots-tag x-sourcemap
    x-total-count x-ua-compatible x-xss-protection x-made-of x-array x-message x-edgy`,
  host: `accept-additions accept-ch accept-ch-lifetime accept-signature
    access-control-allow-credentials access-control-request-headers alternates alt-used
    authentication-control authentication-info available-dictionary c-ext cache-status
    cache-tag cal-managed-id caldav-timezones capsule-protocol cdn-cache-control cdn-loop
    cert-not-after client-cert close connection-allowlist content-base content-dpr
    content-script-type content-style-type content-version critical-ch default-style delegate-ch
    delta-base deliver dictionary-id differential-id edge-control foo getprofile host
    hobareg idempotency-key im large-allocation mime-version no-vary-search
    odata-version optional-www-authenticate ot-baseline p3p ping-to position priority profileobject
    proxy-status pics-label protocol redirect-ref replay-nonce require-document-policy safe
    schedule-reply sec-gpc sec-purpose security-scheme set-login set-txn
    setprofile     shared-storage-write soapaction speculation-rules status-uri surrogate-control
    surrogate-key tcn timeout tk topic ttl urgency uri use-as-dictionary variant-vary via
    www-authenticate xkey x-permitted-cross-domain-policies`,
  nowhere: `activate-storage-access alt-svc attribution-reporting-register-source
    attribution-reporting-register-trigger attribution-reporting-register-os-source clear-site-data
    expect-ct nel observe-browsing-topics origin-agent-cluster public-key-pins
    public-key-pins-report-only report-to reporting-endpoints sec-session-challenge
    sec-session-registration secure-session-challenge secure-session-registration
    secure-session-skipped service-worker-allowed set-cookie2 strict-transport-security
    supports-loading-mode x-accel-buffering x-accel-charset x-accel-expires x-accel-limit-rate
    x-accel-redirect x-amz-meta-a x-appengine-blobkey x-arr-disable-session-affinity x-cache-tag
    x-cascade x-cdn-cache-control x-cf-purge x-compress-hint x-envoy-immediate-health-check-fail
    x-envoy-upstream-healthchecked-cluster x-esi x-fastly-purge x-forwarded-host x-goog-meta
    x-google-cache-control x-http2-push x-http2-push-only x-lighttpd-send-file
    x-lighttpd-send-tempfile x-litemage-purge x-litespeed-cache-control x-litespeed-location
    x-litespeed-purge x-litespeed-tag x-litespeed-vary x-lsadc-purge x-lscache
    x-middleware-rewrite x-mod-pagespeed x-ms-blob x-offload-to-redis x-original-url x-page-speed
    x-pagespeed x-passenger-request-oob-work x-proxy-pass x-purge x-reproxy-expected-size
    x-reproxy-file x-reproxy-url x-rewrite-url x-send-file x-sendfile x-sendfile-temporary
    x-sendfile2     x-varnish-ttl`,
};

Deno.test("each field passes where it acts on nothing that others share", () => {
  for (const [where, text] of Object.entries(FIELDS)) {
    for (const name of text.split(/\s+/)) {
      const passes = (form: "path" | "host") =>
        isolate(form, [[name, "a"]]).some((field) => field[0] === name && field[1] === "a");
      assert.equal(passes("host"), where !== "nowhere", `${name} on a host of its own`);
      assert.equal(passes("path"), where === "both", `${name} below the provider`);
    }
  }
});

Deno.test("a name that nobody knows is a program's own only with x-", () => {
  const names = isolate("path", [["future-header", "a"], ["x-future", "a"]]).map(([name]) => name);
  assert.ok(names.includes("x-future") && !names.includes("future-header"));
});

Deno.test("repeated fields stay apart, and the policy that is added is one more", () => {
  const policies = [["content-security-policy", "a"], ["content-security-policy", "b"]] as const;
  const safe = isolate("path", policies.map(([name, value]) => [name, value]));
  assert.deepEqual(safe.slice(0, 3).map((field) => field[1]), ["a", "b", "sandbox"]);
});

Deno.test("docs/protocol.md lists what passes below the provider", async () => {
  const docs = await Deno.readTextFile(new URL("../../../docs/protocol.md", import.meta.url));
  const section = /## Web browsers\n(.*?)\n## /s.exec(docs)?.[1] ?? "";
  const listed = new Set(
    section.match(/`[a-z0-9-]+`/gi)?.map((name) => name.slice(1, -1).toLowerCase()),
  );
  assert.deepEqual([...OF_ONE_ANSWER].filter((name) => !listed.has(name)), []);
});
