import assert from "node:assert/strict";
import { keepOf, parseConfig } from "./config.ts";
import { KEEP_FOREVER, KEEP_NOTHING } from "./keep.ts";
import { SPEC_CREDITS_MAX } from "./limits.ts";

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

Deno.test("a change counts at once unless it is said for how long what was before is kept", () => {
  const keep = (settings: Record<string, unknown>) => keepOf(parse(settings));
  assert.deepEqual(keep({}), { price: KEEP_NOTHING, terms: KEEP_NOTHING });
  const said = keep({ keepPrice: 60, keepTerms: "forever" });
  assert.deepEqual(said, { price: { seconds: 60n }, terms: KEEP_FOREVER });
  const oldPrice = { price: "500", until: "2030-01-01T00:00:00Z" };
  const until = { until: 1_893_456_000n };
  assert.deepEqual(
    keep({ oldPrice }),
    { price: until, terms: KEEP_NOTHING },
    "an earlier release's",
  );
  assert.deepEqual(keep({ oldPrice, keepPrice: 60 }).price, { seconds: 60n });
  assert.throws(() => keep({ keepPrice: "90d" }), {
    code: "invalid_config",
    message: /provider\.keepPrice: neither "forever", nor whole seconds/,
  });
});

Deno.test("a run may take any number of credits, and one where each is mined before it", () => {
  const creditsOf = (sandbox: object, mode: string) =>
    parse({ sandbox, settlement: { mode } }).sandbox.credits;
  assert.equal(parse({}).sandbox.credits, SPEC_CREDITS_MAX);
  assert.equal(creditsOf({ credits: 4 }, "batch"), 4);
  assert.equal(creditsOf({}, "each"), 1);
  assert.equal(creditsOf({ credits: 1 }, "each"), 1);
  const message = /provider\.sandbox\.credits: more than 1 with settlement\.mode "each"/;
  assert.throws(() => creditsOf({ credits: 2 }, "each"), { code: "invalid_config", message });
  for (const credits of [0, SPEC_CREDITS_MAX + 1, 1.5]) {
    assert.throws(() => creditsOf({ credits }, "batch"), { code: "invalid_config" });
  }
});

Deno.test("a provider takes servers unless it says 0, and ends those that nobody asks for", () => {
  const of = (sandbox: object) => {
    const { instances, instanceIdleSeconds } = parse({ sandbox }).sandbox;
    return [instances, instanceIdleSeconds];
  };
  assert.deepEqual(of({}), [64, 60]);
  assert.deepEqual(of({ instances: 0 }), [0, 60]);
  assert.deepEqual(of({ instances: 4_096, instanceIdleSeconds: 1 }), [4_096, 1]);
  for (
    const [sandbox, message] of [
      [{ instances: -1 }, /provider\.sandbox\.instances: /],
      [{ instances: 4_097 }, /provider\.sandbox\.instances: /],
      [{ instances: 1.5 }, /provider\.sandbox\.instances: not a whole number/],
      [{ instanceIdleSeconds: 0 }, /provider\.sandbox\.instanceIdleSeconds: /],
      [{ instanceIdleSeconds: 86_401 }, /provider\.sandbox\.instanceIdleSeconds: /],
    ] as const
  ) assert.throws(() => parse({ sandbox }), { code: "invalid_config", message });
});

Deno.test("a proxy that is no address is refused with its place and text", () => {
  for (
    const [settings, message] of [
      [
        { trustedProxies: ["127.0.0.1", "proxy.example"] },
        /^\/home\/config\.json: provider\.trustedProxies: proxy\.example: no IP address/,
      ],
      [{ trustedProxies: ["10.0.0.0/40"] }, /10\.0\.0\.0\/40: a range of these .* 0 to 32 bits/],
      [{ trustedProxies: "127.0.0.1" }, /provider\.trustedProxies: not a list$/],
      [{ forwardedField: "x-real-ip" }, /provider\.forwardedField: .*"x-forwarded-for"/],
    ] as const
  ) assert.throws(() => parse(settings), { code: "invalid_config", message });
});

Deno.test("programs may call HTTPS servers unless it says otherwise", () => {
  const hostsOf = (egress: unknown) => parse({ egress }).egress.hosts;
  assert.deepEqual(parse({}).egress.hosts, ["*:443"]);
  assert.deepEqual(hostsOf({ connections: 2 }), ["*:443"]);
  assert.deepEqual(hostsOf("none"), []);
  assert.deepEqual(hostsOf({ hosts: [] }), []);
  assert.deepEqual(hostsOf({ hosts: ["*.example.com:*"] }), ["*.example.com:*"]);
  assert.equal(parse({ egress: "none" }).egress.connections, parse({}).egress.connections);
});

Deno.test("what programs may call is refused by its place where it is malformed", () => {
  for (
    const [egress, message] of [
      ["all", /provider\.egress: neither "none" nor a table, as \{ "hosts"/],
      [["*:443"], /provider\.egress: neither "none" nor a table/],
      [{ host: ["*:443"] }, /unknown field provider\.egress\.host/],
      [{ hosts: ["*"] }, /provider\.egress\.hosts\.0: not a pattern as "\*:443"/],
      [{ hosts: ["10.0.0.1:443:1"] }, /provider\.egress\.hosts\.0: not a pattern/],
      [{ connections: 0 }, /provider\.egress\.connections: /],
      [{ connectTo: { "a.test:1": "b.test:2" } }, /connectTo\.a\.test:1: not address:port/],
      [{ connectTo: { "10.0.0.1:1": "127.0.0.1:2" } }, /connectTo\.10\.0\.0\.1:1: not host:port/],
    ] as const
  ) assert.throws(() => parse({ egress }), { code: "invalid_config", message });
});
