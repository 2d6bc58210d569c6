import assert from "node:assert/strict";
import { NetworkIndex, networkText, parseNetwork } from "./network.ts";

const any = () => true;

Deno.test("a network has one form, whatever it is spelled like", () => {
  const forms: Record<string, string> = {
    "198.51.100.7": "198.51.100.7/32",
    "198.51.100.7/24": "198.51.100.0/24",
    "::ffff:198.51.100.7/120": "198.51.100.0/24",
    "2001:DB8:0:0::1/64": "2001:db8::/64",
    "2001:db8::1": "2001:db8::1/128",
    "2001:db8:1:2:3:4:5:6/48": "2001:db8:1::/48",
  };
  for (const [text, form] of Object.entries(forms)) {
    assert.equal(networkText(parseNetwork(text)), form);
    assert.equal(networkText(parseNetwork(form)), form);
  }
});

Deno.test("what is no network, most of the internet, or this machine is refused in words", () => {
  const faults: Record<string, RegExp> = {
    "": /no IP address/,
    "example.com": /no IP address/,
    "198.51.100.7/": /no IP address/,
    "198.51.100.7/33": /0 to 32 bits/,
    "2001:db8::/129": /0 to 128 bits/,
    "fe80::1%eth0": /no IP address/,
    "::ffff:198.51.100.7/64": /0 to 32 bits/,
    "0.0.0.0/0": /much of the internet/,
    "2000::/3": /much of the internet/,
    "127.0.0.1": /this machine/,
    "127.0.0.0/8": /this machine/,
    "::1": /this machine/,
    "::/64": /this machine/,
  };
  for (const [text, message] of Object.entries(faults)) {
    assert.throws(() => parseNetwork(text), { code: "invalid_input", message }, text);
  }
});

Deno.test("an address is found in its networks, of either family, and in no other", () => {
  const texts = ["198.51.100.0/24", "203.0.113.9", "2001:db8::/32", "2001:db8:5::/48"];
  const index = new NetworkIndex(texts.map((text) => [parseNetwork(text), text] as const));
  const found = (address: string) => index.find(address, any);
  assert.equal(found("198.51.100.255"), "198.51.100.0/24");
  assert.equal(found("198.51.101.0"), null);
  assert.equal(found("203.0.113.9"), "203.0.113.9");
  assert.equal(found("203.0.113.10"), null);
  assert.equal(found("::ffff:198.51.100.1"), "198.51.100.0/24");
  assert.equal(found("2001:db8:ffff::1"), "2001:db8::/32");
  assert.equal(found("2001:db9::1"), null);
  assert.equal(found("not an address"), null);
  // A wider one counts where the narrower one does not.
  const wanted = (text: string) => index.find("2001:db8:5::1", (each) => each === text);
  assert.equal(wanted("2001:db8::/32"), "2001:db8::/32");
  assert.equal(wanted("2001:db8:5::/48"), "2001:db8:5::/48");
});
