import assert from "node:assert/strict";
import { join } from "node:path";
import { inFolder } from "../../../worlds/home.ts";
import { hearLog } from "../../../worlds/heard_log.ts";
import { SMALL_PROGRAM } from "../../../worlds/sandbox/small_program.ts";
import { type DevOptions, startDevServer } from "./server.ts";

function start(dir: string, changes: Partial<DevOptions> = {}) {
  return startDevServer({
    host: { launcher: "bwrap", runUid: Deno.uid() === 0 ? 1_800_000_000 : null },
    dir,
    program: () => Promise.resolve(SMALL_PROGRAM),
    connectTo: {},
    envFile: null,
    payer: null,
    hostname: "127.0.0.1",
    allowedHosts: [],
    ports: [0],
    onServed() {},
    onTunnelClosed() {},
    onUnread() {},
    onRun: () => ({ hear() {}, close() {} }),
    onBuilt() {},
    onBlind() {},
    log: hearLog().log,
    ...changes,
  });
}

const write = (dir: string, text: string) =>
  Deno.writeTextFile(join(dir, "main"), `#!/bin/sh\n${text}\n`, { mode: 0o755 });

Deno.test("a program is served until the server is stopped", async () => {
  await inFolder(async (dir) => {
    await write(dir, "echo here");
    const server = await start(dir);
    assert.equal(await (await fetch(server.url)).text(), "here\n");
    await server.stop();
    await assert.rejects(fetch(server.url));
  });
});

Deno.test("where a port is taken the next one serves, or it is said", async () => {
  await inFolder(async (dir) => {
    await write(dir, "echo here");
    using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = taken.addr;
    const server = await start(dir, { ports: [port, 0] });
    assert.notEqual(Number(new URL(server.url).port), port);
    await server.stop();
    const hints = ["name another with --listen HOST:PORT; port 0 takes one that is free"];
    await assert.rejects(start(dir, { ports: [port] }), { code: "invalid_config", hints });
  });
});

Deno.test("a machine that can run nothing is told so, and a folder that is not there", async () => {
  await inFolder(async (dir) => {
    await write(dir, "echo here");
    const host = { launcher: "bwrap", launcherPath: "/bin/false", runUid: 65_534 } as const;
    const server = await start(dir, { host });
    await assert.rejects(server.unable, { code: "sandbox_unavailable" });
    await server.stop();
    await assert.rejects(start(join(dir, "none")), { code: "not_found" });
  });
});
