import assert from "node:assert/strict";
import { Fields } from "./fields.ts";
import { passedTrailers, takesTrailers } from "./trailers.ts";

Deno.test("trailers are for who says so, and not in HTTP/1.0", () => {
  const takes = (te: string, protocol: "HTTP/1.0" | "HTTP/1.1" | "HTTP/2.0" = "HTTP/1.1") =>
    takesTrailers({ protocol, fields: new Fields([["te", te]]) });
  assert.deepEqual(["trailers", "gzip, Trailers", "gzip", ""].map((te) => takes(te)), [
    true,
    true,
    false,
    false,
  ]);
  assert.ok(takes("trailers", "HTTP/2.0"));
  assert.ok(!takes("trailers", "HTTP/1.0"));
  assert.ok(!takesTrailers({ protocol: "HTTP/1.1", fields: new Fields([]) }));
});

Deno.test("of trailers those pass that act on nothing that is over by then", () => {
  const kept = ["digest", "server-timing", "grpc-status", "x-checksum", "etag"];
  const dropped = [
    "transfer-encoding",
    "content-length",
    "content-type",
    "connection",
    "set-cookie",
    "www-authenticate",
    "proxy-authenticate",
    "access-control-allow-origin",
    "x-accel-redirect",
    "location",
    "khachapuri-payer",
    "payment-response",
    "host",
  ];
  const passed = passedTrailers([...kept, ...dropped].map((name) => [name, "a"]));
  assert.deepEqual(passed.map(([name]) => name), kept);
});
