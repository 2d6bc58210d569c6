import assert from "node:assert/strict";
import { parseConfig } from "./config.ts";

const PROVIDER = {
  name: "provider.test",
  address: `0x${"11".repeat(20)}`,
  webDomain: "https://provider.test",
  price: "1000",
  terms: ["terms.txt"],
  stateDir: "state",
  keyFile: "keys.json",
};

const parse = (settings: Record<string, unknown>) =>
  parseConfig({ provider: { ...PROVIDER, ...settings } }, "/home").provider!;

Deno.test("no proxy is trusted unless it is listed, and then by the field that it sets", () => {
  const nobody = parse({});
  assert.ok(nobody.trustedProxies.isEmpty);
  assert.equal(nobody.forwardedField, "x-forwarded-for");
  const { trustedProxies, forwardedField } = parse({
    trustedProxies: ["127.0.0.1", "2001:db8::/32"],
    forwardedField: "forwarded",
  });
  assert.ok(trustedProxies.has("127.0.0.1") && trustedProxies.has("2001:db8::1"));
  assert.equal(forwardedField, "forwarded");
});

Deno.test("a proxy that is no address is refused with its place and text", () => {
  for (
    const [settings, message] of [
      [
        { trustedProxies: ["127.0.0.1", "proxy.example"] },
        /^\/home\/config\.json: provider\.trustedProxies: proxy\.example: no IP address/,
      ],
      [{ trustedProxies: ["10.0.0.0/40"] }, /10\.0\.0\.0\/40: a range of these .* 0 to 32 bits/],
      [{ trustedProxies: "127.0.0.1" }, /provider\.trustedProxies: .*Array/],
      [{ forwardedField: "x-real-ip" }, /provider\.forwardedField: .*"x-forwarded-for"/],
    ] as const
  ) assert.throws(() => parse(settings), { code: "invalid_config", message });
});
