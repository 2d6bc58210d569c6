import assert from "node:assert/strict";
import { type AddressInfo, createServer, type Server } from "node:net";
import { hearLog } from "../../../worlds/heard_log.ts";
import { turn } from "../../../worlds/turns.ts";
import { Hearing } from "./hearing.ts";

/** A server that counts whom it lets in, and that can be made deaf as one without descriptors. */
async function open({ turnsToOpen = 0 } = {}) {
  const connections = { accepted: 0 };
  const server: Server = createServer((socket) => socket.destroy());
  let isDeaf = false;
  const listened: number[] = [];
  server.on("connection", async () => {
    for (let turns = 0; turns < turnsToOpen; turns++) await turn();
    if (!isDeaf) connections.accepted += 1;
  });
  server.on("listening", () => {
    isDeaf = false;
    listened.push(connections.accepted);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = { hostname: "127.0.0.1", port: (server.address() as AddressInfo).port };
  const { log, ...heard } = hearLog();
  const hearing = new Hearing(server, address, connections, log, 1, 50);
  return {
    ...heard,
    server,
    connections,
    deafen: () => void (isDeaf = true),
    relistened: () => new Promise<void>((resolve) => server.once("listening", resolve)),
    [Symbol.asyncDispose]: async () => {
      hearing.close();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

Deno.test("a server that lets people in is left alone", async () => {
  await using world = await open();
  await new Promise<void>((resolve) => {
    world.server.on("connection", () => world.connections.accepted >= 5 && resolve());
  });
  assert.deepEqual(world.lines, []);
});

Deno.test("a server whose process is held up is late and not deaf", async () => {
  await using world = await open({ turnsToOpen: 3 });
  for (let turns = 0; turns < 20; turns++) {
    const end = performance.now() + 60;
    while (performance.now() < end);
    await turn();
  }
  assert.deepEqual(world.lines, []);
});

Deno.test("a server that lets nobody in any more listens again, at the same place", async () => {
  await using world = await open();
  const { port } = world.server.address() as AddressInfo;
  for (const _ of [1, 2]) {
    const again = world.relistened();
    const logged = world.logged("connections are not accepted any more, listening again");
    world.deafen();
    assert.equal((await logged).level, "error");
    await again;
    assert.equal((world.server.address() as AddressInfo).port, port);
  }
});

Deno.test("a server that reports an error listens again", async () => {
  await using world = await open();
  const again = world.relistened();
  world.server.emit("error", new Error("too many open files"));
  await again;
});
