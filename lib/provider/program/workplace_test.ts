import assert from "node:assert/strict";
import { join } from "node:path";
import { makeFolder } from "../../../worlds/home.ts";
import { serverRequest } from "../../../worlds/server_request.ts";
import { InstanceBudget } from "../server/instance_budget.ts";
import { StartGate } from "../server/start_gate.ts";
import { AT_A_PROVIDER } from "./detector.ts";
import { sandboxOf, seatOf } from "./interface/interface.ts";
import { SocketFolders } from "./socket_folders.ts";
import { openRunWorkplace, openServerWorkplace } from "./workplace.ts";

const HOST = {
  launcher: "bwrap",
  runUid: Deno.uid() === 0 ? 1_800_000_000 : null,
} as const;
const LIMITS = { timeoutMs: 5_000, memoryMb: 128, stdoutBytes: 10_000, stderrBytes: 1_000 };

/** A folder with this program in it, which its sandbox may read, and a place for sockets. */
async function stageOf(main: string) {
  const folder = await makeFolder();
  const programDir = join(folder.dir, "program");
  await Deno.mkdir(programDir);
  await Deno.writeTextFile(join(programDir, "main"), main, { mode: 0o755 });
  for (const path of [folder.dir, programDir]) await Deno.chmod(path, 0o755);
  const sockets = await SocketFolders.open(join(folder.dir, "sockets"));
  return { ...folder, policy: { programDir, limits: LIMITS }, sockets };
}

Deno.test("a program that is run for each request has its sandbox for a workplace", async () => {
  await using stage = await stageOf("#!/bin/sh\necho hello\n");
  const workplace = await openRunWorkplace(HOST, stage.policy);
  const sandbox = sandboxOf(await workplace.take());
  const run = await sandbox.run({ argv: ["./main"], env: {}, stdin: null });
  assert.equal(new TextDecoder().decode((await run.output.read())!), "hello\n");
  await run.record;
  assert.deepEqual([workplace.isQuiet(), workplace.view()], [true, null]);
  await workplace.close();
});

Deno.test("a server's workplace is quiet before its first request, and once it is closed", async () => {
  await using stage = await stageOf("#!/bin/sh\nexec python3 -m http.server $PORT\n");
  const wish = { listen: { kind: "port", port: 8080 }, instances: 1, concurrency: 1 } as const;
  const events: string[] = [];
  const workplace = openServerWorkplace(
    HOST,
    stage.policy,
    { entrypoint: "./main", args: [], env: {}, wish, mayCall: [], place: AT_A_PROVIDER },
    {
      budget: new InstanceBudget(1),
      starts: new StartGate().of("an owner", () => true),
      idleMs: 60_000,
      sockets: stage.sockets,
    },
    {
      onEgress: () => {},
      onEvent: ({ kind }) => void (kind !== "output" && events.push(kind)),
    },
  );
  assert.ok(workplace.isQuiet());
  const seat = seatOf(await workplace.take());
  const response = await seat.send(serverRequest({ target: "/main" })).response;
  assert.equal(response.status, 200);
  response.cancel();
  seat.release();
  assert.ok(!workplace.isQuiet());
  assert.equal(workplace.view()!.instances.length, 1);
  await workplace.close();
  assert.ok(workplace.isQuiet());
  assert.deepEqual(events, ["started", "ended"]);
});
