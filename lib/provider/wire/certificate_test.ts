import assert from "node:assert/strict";
import { certificateFiles } from "../../../worlds/certificate.ts";
import { hearLog } from "../../../worlds/heard_log.ts";
import { Certificate, type KeyPair } from "./certificate.ts";

async function open() {
  const files = await certificateFiles("one.example");
  const used: KeyPair[] = [];
  return {
    files,
    used,
    use: (pair: KeyPair) => void used.push(pair),
    certificate: await Certificate.open(files),
    ...hearLog(),
    [Symbol.asyncDispose]: files[Symbol.asyncDispose],
  };
}

Deno.test("a pair is used anew when its files have changed, and only then", async () => {
  await using world = await open();
  const { certificate, used, use, files, log } = world;
  assert.match(certificate.first.cert, /BEGIN CERTIFICATE/);
  assert.equal(await certificate.renew(use, log), false);
  assert.equal(used.length, 0);
  await files.renew("two.example");
  assert.equal(await certificate.renew(use, log), true);
  assert.equal(await certificate.renew(use, log), false);
  assert.equal(used.length, 1);
  assert.notEqual(used[0]!.cert, certificate.first.cert);
});

Deno.test("what is no pair leaves the old one, and is looked at again", async () => {
  await using world = await open();
  const { certificate, used, use, files, log, lines } = world;
  const { first } = certificate;
  for (const cert of ["no certificate", ""]) {
    await Deno.writeTextFile(files.cert, cert);
    await certificate.renew(use, log);
  }
  await files.renew("two.example");
  await Deno.writeTextFile(files.cert, first.cert);
  await certificate.renew(use, log);
  await Deno.remove(files.key);
  await certificate.renew(use, log);
  assert.equal(used.length, 0);
  assert.equal(lines.filter((line) => line.includes("the old one stays")).length, 4);
  await files.renew("three.example");
  await certificate.renew(use, log);
  assert.equal(used.length, 1);
});

Deno.test("a listener does not open with what is no pair", async () => {
  await using files = await certificateFiles("one.example");
  await Deno.writeTextFile(files.key, "no key");
  await assert.rejects(Certificate.open(files), { code: "invalid_config", message: /no certif/ });
});
