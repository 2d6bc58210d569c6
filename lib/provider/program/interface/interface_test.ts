import assert from "node:assert/strict";
import { chunksSource } from "../../../byte_source.ts";
import { LIMITS, playRun } from "../../../../worlds/sandbox/played_run.ts";
import type { Seat } from "../../server/life.ts";
import { leave, programRun, runRequest, sandboxOf, seatOf } from "./interface.ts";

const COMMAND = { entrypoint: "./main", args: ["--own"], env: { KEY: "secret" } };

Deno.test("each request is one run: the spec's arguments first, the request's environment on top", () => {
  const body = chunksSource([new Uint8Array(1)]);
  const own = { args: ["-X", "PUT"], env: { REQUEST_METHOD: "PUT" } };
  assert.deepEqual(runRequest(COMMAND, own, body), {
    argv: ["./main", "--own", "-X", "PUT"],
    env: { KEY: "secret", REQUEST_METHOD: "PUT" },
    stdin: body,
  });
});

Deno.test("what the wire brought goes on octet by octet, what the spec says in UTF-8", () => {
  const command = { ...COMMAND, args: ["caf\u00e9"], env: { NAME: "caf\u00e9" } };
  const own = { args: ["x: caf\u00e9"], env: { HTTP_X: "\u00ff" } };
  const { argv, env } = runRequest(command, own, null);
  assert.deepEqual(argv.slice(1), ["caf\u00e9", Uint8Array.from([120, 58, 32, 99, 97, 102, 233])]);
  assert.deepEqual(env, { NAME: "caf\u00e9", HTTP_X: Uint8Array.of(255) });
});

Deno.test("a run answers what is made of its output", async () => {
  const played = playRun({ argv: ["./main"], env: {}, stdin: null });
  const response = {
    status: 200,
    headers: [],
    announcedBytes: null,
    hasHead: false,
    read: () => played.live.output.read(),
    cancel: () => Promise.resolve(),
  };
  const run = programRun(played.live, (output) => {
    assert.equal(output, played.live.output);
    return Promise.resolve(response);
  });
  assert.equal(await run.respond(), response);
  assert.equal(run.isComplete(), false);
  played.exit();
  assert.equal(run.isComplete(), true);
  assert.equal((await run.record).exit, 0);
});

Deno.test("a run that is ended is ended in its sandbox", async () => {
  const played = playRun({ argv: ["./main"], env: {}, stdin: null });
  programRun(played.live, () => Promise.reject(new Error("not asked"))).kill();
  await played.killed;
});

Deno.test("a program that is run for each request is not sent one", () => {
  let left = 0;
  const release = () => void (left += 1);
  const seat: Seat = { limits: LIMITS, send: () => assert.fail("sent"), release };
  assert.throws(() => sandboxOf(seat), { code: "internal" });
  assert.equal(seatOf(seat), seat);
  leave(seat);
  assert.equal(left, 1);
});
