import assert from "node:assert/strict";
import { certificateFiles } from "../../../worlds/certificate.ts";
import { mirror, openWire, textAnswer, type Wire } from "../../../worlds/wire.ts";
import { hearLog } from "../../../worlds/heard_log.ts";
import type { Answer } from "../http/request.ts";
import { listen } from "./listener.ts";

const GRACE_MS = 10_000;
const bodyOf = async (url: string) => await (await fetch(url)).text();

Deno.test("it listens where it is told, and hands over each request and who sent it", async () => {
  await using wire = await openWire(({ method, sender }) =>
    Promise.resolve(textAnswer(`${method} ${sender.address}`, 201))
  );
  assert.match(wire.url, /^http:\/\/127\.0\.0\.1:[1-9][0-9]*$/);
  const response = await fetch(wire.url, { method: "PUT" });
  assert.deepEqual([response.status, await response.text()], [201, "PUT 127.0.0.1"]);
});

Deno.test("a place that cannot be listened on is said with its reason", async () => {
  await using wire = await openWire(mirror);
  const open = (hostname: string, port: number) =>
    listen({
      place: { hostname, port },
      tls: null,
      handle: mirror,
      log: hearLog().log,
      networkOf: () => null,
      senderOf: () => ({ address: "", scheme: null }),
    });
  const taken = { code: "invalid_config", message: /somebody else has it/ };
  await assert.rejects(open("127.0.0.1", wire.port), taken);
  const foreign = { code: "invalid_config", message: /no such address/ };
  await assert.rejects(open("192.0.2.1", 0), foreign);
});

/** The name in the certificate that is shown, and the protocol that was agreed on. */
async function shake({ port }: Wire, protocols: string[]): Promise<(string | undefined)[]> {
  const { stdout } = await new Deno.Command("openssl", {
    args: ["s_client", "-connect", `127.0.0.1:${port}`, "-alpn", protocols.join(",")],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).output();
  const said = new TextDecoder().decode(stdout);
  return [/subject=CN = (\S+)/.exec(said)?.[1], /ALPN protocol: (\S+)/.exec(said)?.[1]];
}

Deno.test("TLS is served with the certificate that its files hold by then", async () => {
  await using files = await certificateFiles("one.example");
  await using wire = await openWire(mirror, files);
  assert.match(wire.url, /^https:/);
  assert.deepEqual(await shake(wire, ["h2", "http/1.1"]), ["one.example", "h2"]);
  assert.deepEqual(await shake(wire, ["http/1.1"]), ["one.example", "http/1.1"]);
  await files.renew("two.example");
  await wire.listener.renewCertificate();
  assert.deepEqual(await shake(wire, ["http/1.1"]), ["two.example", "http/1.1"]);
  await Deno.writeTextFile(files.cert, "no certificate");
  const logged = wire.logged("the new certificate cannot be used, the old one stays");
  await wire.listener.renewCertificate();
  assert.equal((await logged).level, "error");
  assert.deepEqual(await shake(wire, ["http/1.1"]), ["two.example", "http/1.1"]);
});

/** A listener with a call under way, which `answer` ends. */
async function openUnderWay() {
  const begun = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<Answer>();
  const wire = await openWire(() => {
    begun.resolve();
    return answer.promise;
  });
  const call = bodyOf(wire.url);
  await begun.promise;
  return { wire, answer: answer.resolve, call };
}

Deno.test("the end waits for calls under way, and takes no new ones", async () => {
  const { wire, answer, call } = await openUnderWay();
  let isStopped = false;
  const stopped = wire.listener.stop(GRACE_MS).then(() => isStopped = true);
  await assert.rejects(fetch(wire.url));
  assert.ok(!isStopped);
  answer(textAnswer("late"));
  assert.equal(await call, "late");
  await stopped;
});

Deno.test("a call that does not end keeps nobody longer than its grace", async () => {
  const { wire, answer, call } = await openUnderWay();
  const cut = assert.rejects(call);
  await wire.listener.stop(1);
  await cut;
  answer(textAnswer("much later"));
});

Deno.test("a connection with TLS is kept for the next request", async () => {
  await using files = await certificateFiles("one.example");
  await using wire = await openWire(mirror, files);
  for (const protocol of ["--http1.1", "--http2"]) {
    const urls = [1, 2, 3].map((each) => `${wire.url}/${each}`);
    const outputs = urls.flatMap(() => ["-o", "/dev/null"]);
    const { stdout } = await new Deno.Command("curl", {
      args: ["-sk", protocol, "-w", "%{http_code} %{num_connects},", ...outputs, ...urls],
    }).output();
    assert.equal(new TextDecoder().decode(stdout), "200 1,200 0,200 0,", protocol);
  }
});
