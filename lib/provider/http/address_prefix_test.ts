import assert from "node:assert/strict";
import { addressPrefix } from "./address_prefix.ts";

Deno.test("addresses of one network have one prefix", () => {
  for (
    const [address, prefix] of [
      ["203.0.113.7", "203.0.113"],
      ["203.0.113.250", "203.0.113"],
      ["::ffff:203.0.113.7", "203.0.113"],
      ["2001:db8:1:2ab::1", "2001:db8:1:200"],
      ["2001:0db8:0001:02ff:9:9:9:9", "2001:db8:1:200"],
      ["2001:db8:1:300::1", "2001:db8:1:300"],
      ["[2001:db8::1]", "2001:db8:0:0"],
      ["172.32.0.1", "172.32.0"],
      ["100.128.0.1", "100.128.0"],
    ] as const
  ) assert.equal(addressPrefix(address), prefix, address);
});

Deno.test("what a proxy before us has, and what is no address, has none", () => {
  for (
    const address of [
      "127.0.0.1",
      "10.1.2.3",
      "172.16.0.1",
      "172.31.255.1",
      "192.168.1.1",
      "169.254.1.1",
      "100.64.0.1",
      "0.0.0.0",
      "::1",
      "::",
      "::ffff:127.0.0.1",
      "fd00::1",
      "fe80::1%eth0",
      "",
      "unix",
      "1.2.3",
      "2001:db8:::1",
      "1:2:3:4:5:6:7:8:9",
      "2001:db8::xyz",
    ]
  ) assert.equal(addressPrefix(address), null, address);
});
