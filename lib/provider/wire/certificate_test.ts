import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { certificateFiles } from "../../../worlds/certificate.ts";
import { hearLog } from "../../../worlds/heard_log.ts";
import { Certificate, type KeyPair } from "./certificate.ts";

async function open() {
  const files = await certificateFiles("one.example");
  const certificate = await Certificate.open(files);
  const used: string[] = [];
  return {
    certificate,
    files,
    used,
    use: ({ cert }: KeyPair) => void used.push(new X509Certificate(cert).subject),
    ...hearLog(),
    [Symbol.asyncDispose]: () => files[Symbol.asyncDispose](),
  };
}

Deno.test("a pair is used anew when its files have changed, and only then", async () => {
  await using world = await open();
  const { certificate, used, use, files, log } = world;
  assert.equal(new X509Certificate(certificate.first.cert).subject, "CN=one.example");
  assert.equal(await certificate.renew(use, log), false);
  assert.deepEqual(used, []);
  await files.renew("two.example");
  assert.equal(await certificate.renew(use, log), true);
  assert.equal(await certificate.renew(use, log), false);
  assert.deepEqual(used, ["CN=two.example"]);
});

Deno.test("a pair that cannot be used leaves the old one, and is tried again", async () => {
  await using world = await open();
  const { certificate, used, use, log, files, lines } = world;
  await using other = await certificateFiles("other.example");
  const own = await Deno.readTextFile(files.cert);
  for (const text of ["no certificate", "", await Deno.readTextFile(other.cert)]) {
    await Deno.writeTextFile(files.cert, text);
    assert.equal(await certificate.renew(use, log), true);
  }
  await Deno.remove(files.cert);
  assert.equal(await certificate.renew(use, log), true);
  assert.equal(lines.filter((line) => line.includes("the old one stays")).length, 4);
  assert.deepEqual(used, []);
  await Deno.writeTextFile(files.cert, own);
  await certificate.renew(use, log);
  assert.deepEqual(used, ["CN=one.example"]);
});

Deno.test("nobody starts with files that are no pair, and is told which", async () => {
  await using files = await certificateFiles("one.example");
  await using other = await certificateFiles("other.example");
  const { cert, key } = files;
  const code = "invalid_config";
  const opened = (cert: string, key: string) => Certificate.open({ cert, key });
  await assert.rejects(opened(key, cert), { code, message: /key\.pem is not what provider\.tls/ });
  await assert.rejects(opened(cert, cert), { code, message: /cert\.pem is not what/ });
  const foreign = { code, message: /key\.pem is not the key of the certificate in .*cert\.pem/ };
  await assert.rejects(opened(cert, other.key), foreign);
});
