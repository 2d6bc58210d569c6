import assert from "node:assert/strict";
import { parseConfig } from "../../config.ts";
import { assertWhole, parseAnswers } from "./answers.ts";
import { configAfter, providerFields, socketsOf } from "./provider_fields.ts";

const KEY = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
const BASE = { name: "Paolo.eth", domain: "paolo.example", price: "0.001", address: KEY };

const whole = (more: Record<string, unknown>) =>
  assertWhole(parseAnswers({ ...BASE, chain: "base", ...more }, "answers"));

Deno.test("a certificate by itself is served from 443, and asked for on 80 where that is the way", () => {
  const byHttp = whole({ agreeToCa: true, email: "me@paolo.example" });
  assert.deepEqual(providerFields(byHttp).acme, {
    email: "me@paolo.example",
    agreeToTerms: true,
    challenge: "http-01",
  });
  assert.equal(providerFields(byHttp).listen, "0.0.0.0:443");
  assert.deepEqual(socketsOf(byHttp), { listen: "443", http: "80" });
  const byTls = whole({ agreeToCa: true, https: "tls-alpn-01" });
  assert.deepEqual(socketsOf(byTls), { listen: "443", http: null });
  const dns = { kind: "hook", command: ["/usr/local/bin/dns"] };
  const byDns = whole({ agreeToCa: true, https: "dns-01", acme: { dns } });
  assert.deepEqual(providerFields(byDns).acme, { dns, agreeToTerms: true, challenge: "dns-01" });
  assert.deepEqual(socketsOf(byDns), { listen: "443", http: null });
});

Deno.test("a proxy is believed where it is ours to say, and forgotten when it goes", () => {
  const proxied = configAfter({}, whole({ https: "proxy" }));
  const { provider } = parseConfig(proxied, "/home");
  assert.equal(provider!.listen, "127.0.0.1:8402");
  assert(provider!.trustedProxies.has("127.0.0.1"));
  const certificate = { cert: "/c.pem", key: "/k.pem" };
  const own = configAfter(proxied, whole({ https: "files", certificate, listen: "0.0.0.0:443" }));
  assert.equal(own.provider!.trustedProxies, undefined);
  assert.deepEqual(own.provider!.tls, certificate);
  const listed = { ...proxied, provider: { ...proxied.provider!, trustedProxies: ["10.0.0.0/8"] } };
  assert.deepEqual(configAfter(listed, whole({ https: "proxy" })).provider!.trustedProxies, [
    "10.0.0.0/8",
  ]);
  const { provider: again } = configAfter(own, whole({ https: "proxy" }));
  assert(!("tls" in again!));
});

Deno.test("what no answer is about stays as it is", () => {
  const before = configAfter({}, whole({ https: "proxy" }));
  const edited = {
    ...before,
    provider: { ...before.provider!, sandbox: { concurrency: 3 }, terms: ["two.txt", "terms.txt"] },
  };
  const after = configAfter(edited, whole({ https: "proxy", price: "1" }));
  assert.deepEqual(after, { ...edited, provider: { ...edited.provider, price: "1000000" } });
});
