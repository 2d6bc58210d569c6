import assert from "node:assert/strict";
import { reachOf, reachOfHost } from "./address.ts";

Deno.test("reachOf knows what is public, private and off limits", () => {
  const table = {
    public: ["1.1.1.1", "8.8.8.8", "172.15.0.1", "172.32.0.1", "192.169.0.1", "2606:4700::1111"],
    private: [
      "127.0.0.1",
      "127.255.255.254",
      "10.0.0.1",
      "172.16.0.1",
      "172.31.255.255",
      "192.168.1.1",
      "100.64.0.1",
      "198.18.0.1",
      "::1",
      "fd12:3456::1",
      "fc00::1",
      "64:ff9b::7f00:1",
      "2002:7f00:1::",
      "::ffff:127.0.0.1",
      "::ffff:7f00:1",
      "::ffff:10.1.2.3",
    ],
    never: [
      "169.254.169.254",
      "169.254.0.1",
      "::ffff:169.254.169.254",
      "::ffff:a9fe:a9fe",
      "fd00:ec2::254",
      "100.100.100.200",
      "192.0.0.192",
      "0.0.0.0",
      "0.1.2.3",
      "255.255.255.255",
      "224.0.0.1",
      "fe80::1",
      "::",
      "ff02::1",
      "not an address",
    ],
  };
  for (const [reach, addresses] of Object.entries(table)) {
    for (const address of addresses) assert.equal(reachOf(address), reach, address);
  }
});

Deno.test("reachOfHost takes the least public of a name's addresses", async () => {
  const names: Record<string, string[]> = {
    "gateway.example": ["1.1.1.1", "2606:4700::1111"],
    "rebind.example": ["1.1.1.1", "127.0.0.1"],
    "metadata.example": ["127.0.0.1", "169.254.169.254"],
    "nowhere.example": [],
  };
  const resolve = (name: string) => Promise.resolve(names[name]!);
  assert.equal(await reachOfHost("gateway.example", resolve), "public");
  assert.equal(await reachOfHost("rebind.example", resolve), "private");
  assert.equal(await reachOfHost("metadata.example", resolve), "never");
  assert.equal(await reachOfHost("nowhere.example", resolve), "never");
  assert.equal(await reachOfHost("[::1]", resolve), "private");
  // The URL parser has already turned every other spelling of an IPv4 address into this one.
  assert.equal(await reachOfHost(new URL("http://2130706433/").hostname, resolve), "private");
  assert.equal(await reachOfHost(new URL("http://0xa9fea9fe/").hostname, resolve), "never");
});
