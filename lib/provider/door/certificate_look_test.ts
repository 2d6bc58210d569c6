import assert from "node:assert/strict";
import { freshStatus, type Status } from "../acme/status.ts";
import { certificateMetrics, judgeCertificate, withCertificate } from "./certificate_look.ts";

const DAY_MS = 86_400_000;
const NOW = 1_800_000_000_000;
const acme = {
  directory: "letsencrypt",
  agreeToTerms: true,
  challenge: "http-01",
} as const;
const provider = { acme, webDomain: "https://a.example", listen: "0.0.0.0:443" };
const facts = (daysLeft: number, names = ["a.example"]) => ({
  names,
  issuer: "CN=CA",
  notBefore: NOW + (daysLeft - 90) * DAY_MS,
  notAfter: NOW + daysLeft * DAY_MS,
  serial: "01",
  renewalId: null,
});
const failed: Status = {
  ...freshStatus("w"),
  failures: 2,
  restUntil: NOW + DAY_MS,
  lastFailure: { at: NOW, message: "connection refused", hints: ["open port 80"], problem: "dns" },
};

Deno.test("doctor says until when, what is wrong, why, and when it is tried again", () => {
  const judge = (daysLeft: number, status: Status | null = null, names?: string[]) =>
    judgeCertificate({ facts: facts(daysLeft, names), status }, provider, NOW);
  assert.deepEqual(judge(60).hints, []);
  assert.match(judge(60).detail, /for a\.example, until 20/);
  assert.match(judge(5).hints!.join(), /expires in 5 days and is not renewed/);
  assert.match(judge(60, null, ["b.example"]).hints!.join(), /not for all that is wanted: a\.ex/);
  assert.match(judge(60, failed).hints!.join(), /connection refused.*open port 80.*--renew/);
  assert.throws(() => judge(-1, failed), { code: "no_certificate", message: /expired.*refused/ });
  assert.throws(() => judgeCertificate({ facts: null, status: failed }, provider, NOW), {
    message: "there is none: connection refused",
  });
  assert.match(judgeCertificate({ facts: null, status: null }, provider, NOW).detail, /none yet/);
  const local = { ...provider, listen: "127.0.0.1:8402" };
  const { hints } = judgeCertificate({ facts: facts(60), status: null }, local, NOW);
  assert.match(hints!.join(), /callers reach no listener on 127\.0\.0\.1:8402/);
});

Deno.test("health and metrics have it", async () => {
  const chain = () => Promise.resolve<string | null>("the chain cannot be reached");
  assert.equal(await withCertificate(chain, () => null)(), "the chain cannot be reached");
  assert.equal(await withCertificate(() => Promise.resolve(null), () => null)(), null);
  assert.match((await withCertificate(chain, () => "it expired")())!, /reached; it expired/);
  const [failures] = certificateMetrics(() => 2);
  assert.deepEqual(await failures!.read(), [{ value: 2 }]);
});
