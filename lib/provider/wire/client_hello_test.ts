import assert from "node:assert/strict";
import { connect } from "node:tls";
import fc from "fast-check";
import { readClientHello } from "./client_hello.ts";

/** What Deno's own client says first. */
async function spoken(servername: string, protocols: string[]): Promise<Uint8Array> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const socket = connect({
    port: listener.addr.port,
    host: "127.0.0.1",
    servername,
    ALPNProtocols: protocols,
  });
  socket.on("error", () => {});
  using server = await listener.accept();
  const buffer = new Uint8Array(20_000);
  let length = 0;
  while (readClientHello(buffer.subarray(0, length)) === "more") {
    length += await server.read(buffer.subarray(length)) ?? 0;
  }
  socket.destroy();
  listener.close();
  return buffer.slice(0, length);
}

Deno.test("name and protocols are read once all of it is here", async () => {
  const bytes = await spoken("Provider.test", ["acme-tls/1", "h2"]);
  for (let length = 0; length < bytes.length; length++) {
    assert.equal(readClientHello(bytes.subarray(0, length)), "more", `${length}`);
  }
  const hello = readClientHello(bytes);
  assert.ok(hello && hello !== "more");
  assert.deepEqual(hello.protocols, ["acme-tls/1", "h2"]);
  assert.equal(hello.serverName, "provider.test");
  assert.ok(hello.cipherSuites.includes(0x1301));
});

Deno.test("what is no ClientHello is null, whatever it is", async () => {
  for (const text of ["GET / HTTP/1.1\r\n", "SSH-2.0-x\r\n", "\x16\x03\x01\xff\xff", "\x16\x02"]) {
    const bytes = Uint8Array.from(text, (char) => char.charCodeAt(0));
    assert.equal(readClientHello(bytes), null, text);
  }
  const bytes = await spoken("a.example", ["h2"]);
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255))), (changes) => {
      const changed = bytes.slice();
      for (const [at, value] of changes) changed[at] = value;
      const reading = readClientHello(changed);
      assert.ok(reading === null || reading === "more" || Array.isArray(reading.protocols));
    }),
    { numRuns: 2_000 },
  );
});
