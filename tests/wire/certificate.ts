/** A certificate for loopback, and its key. */
import { join } from "node:path";

export interface Certificate extends AsyncDisposable {
  /** PEM files. */
  readonly cert: string;
  readonly key: string;
  readonly pem: string;
}

export async function makeCertificate(): Promise<Certificate> {
  const dir = await Deno.makeTempDir();
  const [cert, key] = [join(dir, "cert.pem"), join(dir, "key.pem")];
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
  // It is trusted by itself; an authority's own certificate would be no server's.
  const leaf = ["-addext", "basicConstraints=critical,CA:FALSE"];
  const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"];
  const args = [
    "req",
    "-x509",
    ...kind,
    "-days",
    "2",
    ...subject,
    ...leaf,
    "-keyout",
    key,
    "-out",
    cert,
  ];
  const { success, stderr } = await new Deno.Command("openssl", { args }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return {
    cert,
    key,
    pem: await Deno.readTextFile(cert),
    [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }),
  };
}
