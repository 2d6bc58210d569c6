import assert from "node:assert/strict";
import { chunksSource } from "../../../../sandbox/byte_source.ts";
import type { Run, RunRequest } from "../../../../sandbox/sandbox.ts";
import { type ProgramRequest, runPerRequest } from "./interface.ts";

const REQUEST = { method: "PUT" } as ProgramRequest;

Deno.test("each request is one run: the spec's arguments first, the request's environment on top", async () => {
  const asked: RunRequest[] = [];
  const run = {} as Run;
  const sandbox = {
    run(request: RunRequest) {
      asked.push(request);
      return Promise.resolve(run);
    },
    close: () => Promise.resolve(),
  };
  const body = chunksSource([new Uint8Array(1)]);
  const style = runPerRequest(
    ({ method }) => ({ args: ["-X", method], env: { REQUEST_METHOD: method } }),
    () => Promise.reject(new Error("not asked")),
  );
  const command = { entrypoint: "./main", args: ["--own"], env: { KEY: "secret" } };
  assert.equal(await style.start(sandbox, command, REQUEST, body), run);
  assert.deepEqual(asked, [{
    argv: ["./main", "--own", "-X", "PUT"],
    env: { KEY: "secret", REQUEST_METHOD: "PUT" },
    stdin: body,
  }]);
});

Deno.test("a request that cannot be passed on is a rejection", async () => {
  const style = runPerRequest(
    () => {
      throw new Error("a NUL in the path");
    },
    () => Promise.reject(new Error("not asked")),
  );
  const sandbox = {
    run: () => assert.fail("it was started"),
    close: () => Promise.resolve(),
  };
  const command = { entrypoint: "./main", args: [], env: {} };
  // A caller that only awaits must see it, too.
  const start = async () => await style.start(sandbox, command, REQUEST, null);
  await assert.rejects(start, /NUL/);
});
