import assert from "node:assert/strict";
import { certificateFiles } from "../../../worlds/certificate.ts";
import { covers, isPair, readCertificate } from "./x509.ts";

/** The certificate of RFC 9773's examples, whose name for renewal its section 4.1 gives. */
const OF_THE_RFC = `-----BEGIN CERTIFICATE-----
MIIBQzCB66ADAgECAgUAh2VDITAKBggqhkjOPQQDAjAVMRMwEQYDVQQDEwpFeGFt
cGxlIENBMCIYDzAwMDEwMTAxMDAwMDAwWhgPMDAwMTAxMDEwMDAwMDBaMBYxFDAS
BgNVBAMTC2V4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEeBZu
7cbpAYNXZLbbh8rNIzuOoqOOtmxA1v7cRm//AwyMwWxyHz4zfwmBhcSrf47NUAFf
qzLQ2PPQxdTXREYEnKMjMCEwHwYDVR0jBBgwFoAUaYhba4dGQEHhs3uEe6CuLN4B
yNQwCgYIKoZIzj0EAwIDRwAwRAIge09+S5TZAlw5tgtiVvuERV6cT4mfutXIlwTb
+FYN/8oCIClDsqBklhB9KAelFiYt9+6FDj3z4KGVelYM5MdsO3pK
-----END CERTIFICATE-----
`;

Deno.test("a certificate is named for its renewal as RFC 9773 does", () => {
  assert.equal(readCertificate(OF_THE_RFC)?.renewalId, "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE");
});

Deno.test("names, end and key of a certificate are read; what is none is null", async () => {
  await using files = await certificateFiles("one.example");
  const [cert, key] = await Promise.all(
    [files.cert, files.key].map((path) => Deno.readTextFile(path)),
  );
  const facts = readCertificate(cert!)!;
  assert.deepEqual(facts.names, ["one.example", "*.one.example"]);
  assert.ok(facts.notAfter - facts.notBefore === 2 * 86_400_000);
  assert.ok(isPair({ cert: cert!, key: key! }));
  assert.ok(covers(facts, ["one.example"]) && !covers(facts, ["one.example", "two.example"]));
  await files.renew("two.example");
  assert.ok(!isPair({ cert: await Deno.readTextFile(files.cert), key: key! }));
  for (const text of ["", "no", cert!.slice(0, 200)]) assert.equal(readCertificate(text), null);
});
