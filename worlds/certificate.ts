/** A certificate of a name's own, made by openssl. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { CertificateFiles } from "../lib/provider/wire/certificate.ts";
import { makeFolder } from "./home.ts";

/** Files that go with their disposal; `renew` puts one for another name in their place. */
export async function certificateFiles(
  name: string,
): Promise<CertificateFiles & AsyncDisposable & { renew(name: string): Promise<void> }> {
  const folder = await makeFolder();
  const files = { cert: join(folder.dir, "cert.pem"), key: join(folder.dir, "key.pem") };
  await issue(name, files);
  return {
    ...files,
    async renew(name) {
      const fresh = { cert: `${files.cert}.new`, key: `${files.key}.new` };
      await issue(name, fresh);
      await Deno.rename(fresh.cert, files.cert);
      await Deno.rename(fresh.key, files.key);
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

/** Files that go with their disposal, with those of the authority that signed them. */
export async function signedFiles(
  name: string,
): Promise<CertificateFiles & AsyncDisposable & { readonly ca: string }> {
  const folder = await makeFolder();
  const at = (file: string) => join(folder.dir, file);
  const authority = { cert: at("ca.pem"), key: at("ca-key.pem") };
  const files = { cert: at("cert.pem"), key: at("key.pem") };
  const usage = "keyUsage=critical,keyCertSign";
  await openssl("CN=authority", authority, ["-addext", usage]);
  await issue(name, files, ["-CA", authority.cert, "-CAkey", authority.key]);
  return {
    ...files,
    ca: authority.cert,
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

function issue(
  name: string,
  files: CertificateFiles,
  signer: readonly string[] = [],
): Promise<void> {
  return openssl(`CN=${name}`, files, [
    ...["-addext", `subjectAltName=DNS:${name},DNS:*.${name},IP:127.0.0.1`],
    // A client that trusts it by itself takes no authority's certificate for a server's.
    ...["-addext", "basicConstraints=critical,CA:FALSE"],
    ...signer,
  ]);
}

async function openssl(
  subject: string,
  { cert, key }: CertificateFiles,
  further: readonly string[],
): Promise<void> {
  const { success, stderr } = await new Deno.Command("openssl", {
    args: [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
      ...["-nodes", "-days", "2", "-subj", `/${subject}`, ...further],
      ...["-keyout", key, "-out", cert],
    ],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
}
