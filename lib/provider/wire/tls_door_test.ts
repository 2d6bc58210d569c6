import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { certificateFiles } from "../../../worlds/certificate.ts";
import { hearLog } from "../../../worlds/heard_log.ts";
import { mirror, say } from "../../../worlds/wire.ts";
import { alpnChallenge } from "../acme/alpn_challenge.ts";
import { metricsText } from "../metrics/metrics.ts";
import { WireUsage } from "../metrics/wire_usage.ts";
import { type CertificateSource, endOf, type KeyPair } from "./certificate.ts";
import { listen } from "./listener.ts";

/** A listener with the challenge and the certificate that a test gives it. */
async function open(first: KeyPair | null) {
  const alpn = alpnChallenge();
  let use: (pair: KeyPair) => void = () => {};
  const source: CertificateSource = {
    first,
    watch: (later) => void (use = later),
    renew: () => Promise.resolve(false),
    isChallenged: alpn.isChallenged,
    challengePair: alpn.pairOf,
    close() {},
  };
  const usage = new WireUsage();
  const listener = await listen({
    usage,
    place: { hostname: "127.0.0.1", port: 0 },
    tls: source,
    handle: mirror,
    log: hearLog().log,
    networkOf: () => null,
    senderOf: () => ({ address: "", scheme: null }),
  });
  const present = (name: string) =>
    alpn.present({ name, token: "t", keyAuthorization: "t.k" }, new AbortController().signal);
  return {
    url: listener.url,
    metrics: () => metricsText(usage.metrics),
    present,
    withdraw: (name: string) => alpn.withdraw({ name, token: "t", keyAuthorization: "" }),
    use: (pair: KeyPair) => use(pair),
    [Symbol.asyncDispose]: () => listener.stop(0),
  };
}

/** What openssl sees; its words where it sees nothing. */
async function look(url: string, name: string, protocol: string, ...more: string[]) {
  const { stdout, stderr } = await new Deno.Command("openssl", {
    args: [
      ...["s_client", "-connect", new URL(url).host, "-servername", name],
      ...["-alpn", protocol, "-showcerts", ...more],
    ],
    stdin: "null",
  }).output();
  const said = new TextDecoder().decode(stdout);
  const [pem] = /-----BEGIN CERTIFICATE-----[^]+?-----END CERTIFICATE-----/.exec(said) ?? [];
  return {
    subject: pem ? new X509Certificate(pem).subject : null,
    protocol: /ALPN protocol: (\S+)/.exec(said)?.[1],
    complaint: new TextDecoder().decode(stderr),
  };
}

async function pairOf(name: string): Promise<KeyPair> {
  await using files = await certificateFiles(name);
  const [cert, key] = await Promise.all(
    [files.cert, files.key].map((path) => Deno.readTextFile(path)),
  );
  return { cert: cert!, key: key! };
}

Deno.test("without a certificate a handshake is refused in TLS, and nothing is said in plain", async () => {
  await using door = await open(null);
  const seen = await look(door.url, "a.example", "h2");
  assert.equal(seen.subject, null);
  assert.match(seen.complaint, /handshake failure/);
  assert.equal(
    await say(door.url, "GET / HTTP/1.1\r\nhost: a\r\n\r\n"),
    "\x15\x03\x03\0\x02\x02\x28",
  );
  assert.doesNotMatch(await door.metrics(), /^khachapuri_tls_certificate_not_after/m);
  const pair = await pairOf("a.example");
  door.use(pair);
  const end = `khachapuri_tls_certificate_not_after_timestamp_seconds ${endOf(pair)}`;
  assert.ok((await door.metrics()).includes(`\n${end}\n`), end);
  assert.equal((await look(door.url, "a.example", "h2")).subject, "CN=a.example");
});

Deno.test("a CA sees the challenge's certificate, and callers the other one meanwhile", async () => {
  for (const first of [null, await pairOf("a.example")]) {
    await using door = await open(first);
    await door.present("a.example");
    const { subject, protocol } = await look(door.url, "a.example", "acme-tls/1");
    assert.deepEqual([subject, protocol], ["CN=a.example", "acme-tls/1"]);
    const mixed = await look(door.url, "A.Example", "h2,acme-tls/1");
    assert.equal(mixed.protocol, "acme-tls/1");
    const caller = await look(door.url, "a.example", "http/1.1");
    assert.deepEqual(
      [caller.subject, caller.protocol],
      first ? ["CN=a.example", "http/1.1"] : [null, undefined],
    );
    const old = await look(door.url, "a.example", "acme-tls/1", "-tls1_2");
    assert.match(old.complaint, /handshake failure/);
    await door.withdraw("a.example");
    assert.notEqual((await look(door.url, "a.example", "acme-tls/1")).protocol, "acme-tls/1");
  }
});

Deno.test("a hello that comes in pieces, and what is none, do the door no harm", async () => {
  await using door = await open(await pairOf("a.example"));
  await door.present("a.example");
  for (
    const bytes of ["", "\x16", "\x16\x03\x01\x40", "GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\0\0"]
  ) {
    const { hostname, port } = new URL(door.url);
    const socket = await Deno.connect({ hostname, port: Number(port) });
    for (const char of bytes) await socket.write(Uint8Array.of(char.charCodeAt(0)));
    socket.close();
  }
  assert.equal((await look(door.url, "a.example", "h2")).protocol, "h2");
});
