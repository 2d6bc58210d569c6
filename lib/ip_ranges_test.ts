import assert from "node:assert/strict";
import fc from "fast-check";
import { IpRanges, plainIp } from "./ip_ranges.ts";

Deno.test("an address is told in one form, and as IPv4 where it is one", () => {
  for (
    const [text, plain] of [
      ["192.0.2.1", "192.0.2.1"],
      ["::ffff:192.0.2.1", "192.0.2.1"],
      ["::FFFF:C000:201", "192.0.2.1"],
      ["0:0:0:0:0:ffff:192.0.2.1", "192.0.2.1"],
      ["2001:0DB8:0:0::1", "2001:db8::1"],
      ["fe80::1%eth0", "fe80::1"],
      ["::1", "::1"],
      ["::192.0.2.1", "::c000:201"],
    ] as const
  ) assert.equal(plainIp(text), plain, text);
  for (
    const text of ["", "unknown", "192.0.2", "192.0.2.256", "010.0.0.1", "[::1]", "::1]/", "1:2"]
  ) {
    assert.equal(plainIp(text), null, text);
  }
});

Deno.test("a list has its addresses and ranges, however an address is written", () => {
  const ranges = IpRanges.parse(["192.0.2.7", "10.0.0.0/8", "2001:db8::/32", "::1"]);
  for (
    const address of ["192.0.2.7", "::ffff:192.0.2.7", "10.255.0.1", "2001:DB8:1::9", "0:0::1"]
  ) assert.ok(ranges.has(address), address);
  for (const address of ["192.0.2.8", "11.0.0.1", "2001:db9::", "::2", "", "10.0.0.0/8", "unix"]) {
    assert.ok(!ranges.has(address), address);
  }
  assert.ok(!ranges.isEmpty);
  const none = IpRanges.parse([]);
  assert.ok(none.isEmpty && !none.has("127.0.0.1"));
  assert.ok(IpRanges.parse(["0.0.0.0/0"]).has("198.51.100.1"));
  assert.ok(!IpRanges.parse(["0.0.0.0/0"]).has("2001:db8::1"));
  assert.ok(IpRanges.parse(["::/0"]).has("2001:db8::1"));
});

Deno.test("a range of mapped addresses is the range of those that are mapped", () => {
  const ranges = IpRanges.parse(["::ffff:10.0.0.0/104"]);
  assert.ok(ranges.has("10.1.2.3") && ranges.has("::ffff:10.1.2.3") && !ranges.has("11.0.0.0"));
});

Deno.test("a range holds the addresses that share its prefix", () => {
  const octets = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255));
  const bitsOf = (address: readonly number[]) =>
    address.map((octet) => octet.toString(2).padStart(8, "0")).join("");
  fc.assert(
    fc.property(octets, octets, fc.nat(32), fc.boolean(), (range, other, length, isNear) => {
      const address = isNear ? [...range.slice(0, 3), other[3]] as number[] : other;
      const ranges = IpRanges.parse([`${range.join(".")}/${length}`]);
      const shares = bitsOf(range).slice(0, length) === bitsOf(address).slice(0, length);
      assert.equal(ranges.has(address.join(".")), shares);
    }),
  );
});

Deno.test("what is no address and no range is refused with its text", () => {
  for (
    const [text, message] of [
      ["proxy.example", /^proxy\.example: no IP address/],
      ["", /: no IP address/],
      ["10.0.0.0/33", /^10\.0\.0\.0\/33: a range of these has a prefix of 0 to 32 bits/],
      ["2001:db8::/129", /0 to 128 bits/],
      ["::ffff:10.0.0.0/90", /0 to 32 bits/],
      ["10.0.0.0/", /no IP address/],
      ["10.0.0.0/8/8", /no IP address/],
      ["10.0.0.0/255.0.0.0", /no IP address/],
      ["fe80::1%eth0", /leave the zone out/],
    ] as const
  ) assert.throws(() => IpRanges.parse([text]), { code: "invalid_input", message }, text);
});
