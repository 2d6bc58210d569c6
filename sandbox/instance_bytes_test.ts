/** Many bytes to and from servers, with bounded memory. */
import assert from "node:assert/strict";
import { eachLauncher } from "../worlds/sandbox/launchers.ts";
import { FD, PORT, TestServer } from "../worlds/sandbox/servers.ts";
import { shell } from "../worlds/sandbox/relays.ts";
import { childrenOf } from "../worlds/processes.ts";

const MANY = 100 * 1024 * 1024;
const PIECE = new Uint8Array(64 * 1024).fill(7);
/** Of init and what is around it: buffers of some connections, not what passes. */
const GROWTH_KB = 2_000;

/** Resident memory of the helper's processes, kB. */
async function heldKb(): Promise<number> {
  let sum = 0;
  const waiting = await childrenOf(Deno.pid);
  for (let pid; (pid = waiting.pop()) !== undefined;) {
    const status = await shell(`cat /proc/${pid}/status; tr '\\0' ' ' </proc/${pid}/cmdline`);
    if (/khachapuri-init|proc.self.fd.4/.test(status)) {
      sum += Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0);
    }
    waiting.push(...await childrenOf(pid));
  }
  return sum;
}

eachLauncher("100 MiB go each way, and nothing of it stays", async (launcher) => {
  for (const listen of [PORT, FD]) {
    await using server = await TestServer.open(launcher, { listen });
    await server.ready();
    const before = await heldKb();
    const upload = await server.begin("take");
    for (let left = MANY; left > 0;) left -= await upload.write(PIECE.subarray(0, left));
    await upload.closeWrite();
    assert.equal(await new Response(upload.readable).text(), `took ${MANY}\ndone\n`);
    const download = await server.begin(`give ${MANY}`);
    let got = 0;
    for await (const bytes of download.readable) got += bytes.length;
    assert.equal(got, MANY);
    const grown = await heldKb() - before;
    assert(before > 0 && grown < GROWTH_KB, `${grown} kB more than ${before}`);
  }
});

eachLauncher("who does not read holds up his own connection alone", async (launcher) => {
  await using server = await TestServer.open(launcher);
  await server.ready();
  const before = await heldKb();
  const slow = await Promise.all(Array.from({ length: 8 }, () => server.begin(`give ${MANY}`)));
  for (let call = 0; call < 20; call++) assert.equal(await server.ask("early"), "early\ndone\n");
  const grown = await heldKb() - before;
  assert(grown < GROWTH_KB, `${grown} kB`);
  let got = 0;
  for await (const bytes of slow.pop()!.readable) got += bytes.length;
  assert.equal(got, MANY);
  for (const connection of slow) connection.close();
});

/** What init moves of one connection before the others have their turn (init/ingress.c). */
const TURN_BYTES = 256 * 1024;

eachLauncher(
  "what a turn leaves goes on in the next, though nothing more comes",
  async (launcher) => {
    await using server = await TestServer.open(launcher);
    await server.ready();
    for (const bytes of [TURN_BYTES, TURN_BYTES + 1, 300_000, 2 * TURN_BYTES, 700_000]) {
      for (let call = 0; call < 20; call++) {
        const download = await server.begin(`give ${bytes}`);
        let got = 0;
        for await (const piece of download.readable) got += piece.length;
        assert.equal(got, bytes);
      }
    }
  },
);
