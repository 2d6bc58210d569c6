import assert from "node:assert/strict";
import { parseConfig } from "./config.ts";
import { httpPlaceOf, wantedNames } from "./config_acme.ts";

const PROVIDER = {
  name: "provider.test",
  address: `0x${"11".repeat(20)}`,
  webDomain: "https://provider.test",
  price: "1000",
  terms: ["terms.txt"],
  stateDir: "state",
  keyFile: "keys.json",
};
const DNS = {
  kind: "rfc2136",
  server: "192.0.2.53:53",
  key: { name: "ours", secretFile: "tsig.secret" },
};

const parse = (acme: unknown, more: object = {}) =>
  parseConfig(
    { provider: { ...PROVIDER, ...(acme === undefined ? {} : { acme }), ...more } },
    "/home",
  ).provider!;

Deno.test("no certificate is had unless somebody has agreed to its CA's terms", () => {
  assert.equal(parse(undefined).acme, undefined);
  const { acme } = parse({ agreeToTerms: true });
  assert.deepEqual(acme, { directory: "letsencrypt", agreeToTerms: true, challenge: "http-01" });
  assert.equal(httpPlaceOf(acme!), "0.0.0.0:80");
  assert.deepEqual(wantedNames("https://provider.test/", acme!), ["provider.test"]);
});

Deno.test("with records of the zone the wildcard is wanted, too", () => {
  const { acme } = parse({ agreeToTerms: true, challenge: "dns-01", dns: DNS });
  assert.equal(httpPlaceOf(acme!), null);
  assert.deepEqual(wantedNames(PROVIDER.webDomain, acme!), ["provider.test", "*.provider.test"]);
  assert.deepEqual(acme!.dns, {
    ...DNS,
    key: { ...DNS.key, algorithm: "hmac-sha256" },
    nameServers: [],
  });
});

Deno.test("what cannot be is refused by its place", () => {
  const yes = { agreeToTerms: true };
  const refused: [unknown, RegExp, object?][] = [
    [{}, /provider\.acme\.agreeToTerms/],
    [{ agreeToTerms: false }, /agreeToTerms: the CA's terms have to be agreed to/],
    [{ ...yes, directory: "zerossl" }, /acme\.directory: not an https URL, and none of letsenc/],
    [{ ...yes, directory: "http://ca.example/" }, /acme\.directory: not an https URL/],
    [{ ...yes, email: "nobody" }, /acme\.email: not an e-mail address/],
    [{ ...yes, challenge: "dns-01" }, /acme\.challenge: "dns-01" wants provider\.acme\.dns/],
    [{ ...yes, challenge: "tls-sni-01" }, /acme\.challenge/],
    [{ ...yes, httpListen: "80" }, /acme\.httpListen: not host:port/],
    [{ ...yes, dns: { kind: "bind" } }, /acme\.dns\.kind: not one of "rfc2136" and "hook"/],
    [{ ...yes, dns: { ...DNS, server: "ns.example" } }, /acme\.dns\.server: not an IP address/],
    [{ ...yes, dns: { kind: "hook", command: ["hook"] } }, /dns\.command: .*absolute path/],
    [{ ...yes, dns: { kind: "hook", command: ["/h"], timeoutSeconds: 0 } }, /timeoutSeconds/],
    [{ ...yes, eab: { keyId: "k", hmac: "secret" } }, /acme\.eab/],
    [yes, /provider\.acme: provider\.tls names a certificate/, { tls: { cert: "c", key: "k" } }],
    [yes, /webDomain: http:\/\/a\.example is no https URL/, { webDomain: "http://a.example" }],
    [yes, /webDomain: .*has no domain/, { webDomain: "https://192.0.2.1" }],
    [yes, /webDomain: .*has no domain/, { webDomain: "https://localhost" }],
  ];
  for (const [acme, message, more] of refused) {
    assert.throws(() => parse(acme, more), { code: "invalid_config", message }, String(message));
  }
});
