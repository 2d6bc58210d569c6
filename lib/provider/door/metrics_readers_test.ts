import assert from "node:assert/strict";
import { IpRanges } from "../../ip_ranges.ts";
import { Fields } from "../http/fields.ts";
import { MetricsReaders } from "./metrics_readers.ts";

const LOCAL = ["127.0.0.0/8", "::1"];

function mayRead(
  address: string,
  { readers = LOCAL, host = "127.0.0.1:8402", fields = [] as [string, string][] } = {},
  webDomain = "https://paolo.example",
): boolean {
  const metricsReaders = new MetricsReaders(IpRanges.parse(readers), new URL(webDomain));
  try {
    const sender = { address, scheme: null };
    metricsReaders.assertReader({ sender, host, fields: new Fields(fields) });
    return true;
  } catch (error) {
    assert.equal((error as { code?: string }).code, "access_denied");
    return false;
  }
}

Deno.test("by default this machine reads the metrics, and nobody else", () => {
  assert.ok(mayRead("127.0.0.1"));
  assert.ok(mayRead("127.0.0.1", { host: "localhost:8402" }));
  assert.ok(mayRead("::1", { host: "[::1]:8402" }));
  assert.ok(!mayRead("198.51.100.7"));
  assert.ok(!mayRead("10.0.0.5"));
});

Deno.test("what a proxy passes on comes from the world, whoever the proxy is", () => {
  assert.ok(!mayRead("127.0.0.1", { fields: [["x-forwarded-for", "198.51.100.7"]] }));
  assert.ok(!mayRead("127.0.0.1", { fields: [["via", "1.1 proxy"]] }));
  assert.ok(!mayRead("127.0.0.1", { host: "paolo.example" }));
  assert.ok(!mayRead("::1", { host: "bafkx.paolo.example:443" }));
  // Names that lead here, spelled otherwise or somebody else's, and its address in the world.
  for (const host of ["paolo.example.", "PAOLO.example", "blog.example", "198.51.100.1", ""]) {
    assert.ok(!mayRead("127.0.0.1", { host }), host);
  }
  // A provider that is tried out has no other name.
  assert.ok(mayRead("127.0.0.1", { host: "localhost:8402" }, "http://localhost:8402"));
});

Deno.test("who is listed reads them, through a proxy that names it too", () => {
  const readers = [...LOCAL, "10.1.0.0/16"];
  const fields: [string, string][] = [["x-forwarded-for", "10.1.2.3"]];
  assert.ok(mayRead("10.1.2.3", { readers, host: "paolo.example", fields }));
  assert.ok(!mayRead("10.2.2.3", { readers }));
  assert.ok(mayRead("198.51.100.7", { readers: ["0.0.0.0/0"] }), "all, if that is wanted");
});
