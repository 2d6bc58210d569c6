import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { aWhile } from "../../../worlds/turns.ts";
import { TUNNEL_UNTAKEN_BYTES_MAX } from "../../limits_of_servers.ts";
import { CallerEnd } from "./caller_end.ts";

/** Two ends of a connection, ours as the provider has it. */
async function open(ahead = "") {
  const server = createServer({ allowHalfOpen: true }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const theirs = connect((server.address() as AddressInfo).port, "127.0.0.1");
  const [ours] = await once(server, "connection") as [Socket];
  for (const socket of [ours, theirs]) socket.on("error", () => {});
  const end = new CallerEnd(ours, new TextEncoder().encode(ahead));
  ours.on("data", (bytes: Uint8Array) => end.take(bytes));
  return {
    ours,
    theirs,
    end,
    [Symbol.asyncDispose]: async () => {
      for (const socket of [ours, theirs]) socket.destroy();
      server.close();
      await end.gone;
    },
  };
}

const text = (bytes: Uint8Array | null) => bytes && new TextDecoder().decode(bytes);

Deno.test("what came ahead is read first, what came before the end before it", async () => {
  await using world = await open("ahead");
  const { end, theirs } = world;
  assert.equal(text(await end.read()), "ahead");
  theirs.end("last");
  assert.equal(text(await end.read()), "last");
  assert.equal(await end.read(), null);
  assert.equal(await end.read(), null);
});

Deno.test("so much waits to be read, and then its socket does", async () => {
  await using world = await open();
  const { end, ours } = world;
  end.take(new Uint8Array(TUNNEL_UNTAKEN_BYTES_MAX - 1));
  assert.ok(!ours.isPaused());
  end.take(new Uint8Array(1));
  assert.ok(ours.isPaused());
  assert.equal((await end.read())?.length, TUNNEL_UNTAKEN_BYTES_MAX);
  assert.ok(!ours.isPaused());
});

Deno.test("a caller that is reset can be neither read nor written to", async () => {
  await using world = await open();
  const { end, theirs } = world;
  const read = assert.rejects(end.read(), { code: "invalid_input" });
  theirs.resetAndDestroy();
  await read;
  await end.gone;
  await assert.rejects(end.write(new Uint8Array(1)), /hung up/);
});

Deno.test("a write waits for room, and what is closed is written out first", async () => {
  await using world = await open();
  const { end, theirs } = world;
  let isWritten = false;
  const bytes = 8 * 1024 * 1024;
  const written = end.write(new Uint8Array(bytes)).then(() => isWritten = true, () => {});
  theirs.pause();
  await aWhile();
  assert.ok(!isWritten);
  end.close();
  end.close();
  let size = 0;
  theirs.on("data", (chunk: Uint8Array) => size += chunk.length);
  await once(theirs.resume(), "end");
  assert.equal(size, bytes);
  theirs.end();
  await written;
});

Deno.test("a caller that does not end its side is waited for so long only", async () => {
  await using world = await open();
  const { end, theirs } = world;
  Object.assign(theirs, { allowHalfOpen: true });
  theirs.write("more");
  end.close();
  theirs.resume();
  await end.gone;
  assert.equal(await end.read(), null);
});
