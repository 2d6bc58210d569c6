import assert from "node:assert/strict";
import { streamSource } from "../../../byte_source.ts";
import { LIMITS, type PlayedRun, playRun } from "../../../../worlds/sandbox/played_run.ts";
import { programRequest } from "../../../../worlds/sandbox/program_request.ts";
import { turn } from "../../../../worlds/turns.ts";
import type { Sandbox } from "../../../../sandbox/sandbox.ts";
import { streamOf } from "../../../../sandbox/output.ts";
import { KhachapuriError } from "../../../errors.ts";
import { LOCAL_REDIRECTS_MAX, RESPONSE_HEAD_BYTES_MAX, STDERR_BYTES_MAX } from "../../../limits.ts";
import { cgi } from "./cgi.ts";

const COMMAND = { entrypoint: "./main", args: [], env: {} };

/** Starts a CGI program whose runs are played, one after the other. */
async function start(
  play: (run: PlayedRun, path: unknown) => unknown,
  { method = "GET", timeoutMs = 10_000 } = {},
) {
  const runs: PlayedRun[] = [];
  const sandbox: Sandbox = {
    limits: { ...LIMITS, timeoutMs },
    run(request) {
      const run = playRun(request);
      runs.push(run);
      play(run, request.env.PATH_INFO);
      return Promise.resolve(run.live);
    },
    close: () => Promise.resolve(),
  };
  const hasBody = method === "POST";
  const body = hasBody ? new Blob(["data"]).stream() : null;
  const request = programRequest({ method, hasBody, bodyBytes: hasBody ? 4 : null });
  const run = await cgi.prepare(COMMAND, request)(sandbox, body && streamSource(body));
  return { run, runs };
}

function redirect(run: PlayedRun, path: string): void {
  run.print(`Location: /bafkcid${path}\n\n`);
  run.exit();
}

function answer(run: PlayedRun, text: string): void {
  run.print(`Content-Type: text/plain\n\n${text}`);
  run.exit();
}

Deno.test("a program that redirects to itself is run again, and answers then", async () => {
  const { run, runs } = await start((played, path) => {
    played.complain(`at ${path}\n`);
    if (path === "/") redirect(played, "/a?b=c");
    else if (path === "/a") redirect(played, "/end");
    else answer(played, "the end");
  }, { method: "POST" });
  const response = await run.respond();
  assert.equal(response.status, 200);
  assert.equal(await new Response(streamOf(response)).text(), "the end");
  const asked = runs.map(({ request: { env, stdin } }) => [
    env.REQUEST_METHOD,
    env.REQUEST_URI,
    env.QUERY_STRING,
    env.CONTENT_LENGTH,
    stdin === null,
  ]);
  assert.deepEqual(asked, [
    ["POST", "/bafkcid/", "", "4", false],
    ["GET", "/bafkcid/a?b=c", "b=c", undefined, true],
    ["GET", "/bafkcid/end", "", undefined, true],
  ]);
});

Deno.test("RFC 3875 7.2: each run starts in the folder that the entrypoint lies in", async () => {
  const { run, runs } = await start((played, path) =>
    path === "/" ? redirect(played, "/a") : answer(played, "")
  );
  await run.respond();
  assert.deepEqual(runs.map(({ request }) => request.isInItsFolder), [true, true]);
});

Deno.test("the record of a call is that of all its runs, ended as the last", async () => {
  const { run } = await start((played, path) => {
    played.complain(`at ${path}\n`);
    if (path === "/") return redirect(played, "/a");
    played.print("Status: 200\n\n");
    played.exit(3);
  });
  await (await run.respond()).cancel();
  const { exit, limit, cpuMs, stdoutBytes, stderr } = await run.record;
  assert.deepEqual([exit, limit, cpuMs], [3, null, 2]);
  assert.equal(stdoutBytes, "Location: /bafkcid/a\n\nStatus: 200\n\n".length);
  assert.equal(new TextDecoder().decode(stderr), "at /\nat /a\n");
});

Deno.test("the log of a call takes no more for several runs than for one", async () => {
  const { run } = await start((played, path) => {
    played.complain("x".repeat(STDERR_BYTES_MAX - 1));
    if (path === "/") redirect(played, "/a");
    else answer(played, "");
  });
  await run.respond();
  assert.equal((await run.record).stderr.length, STDERR_BYTES_MAX);
});

Deno.test("the next run begins when the one before has ended, and not with what that still prints", async () => {
  const first = Promise.withResolvers<PlayedRun>();
  const { run, runs } = await start((played, path) => {
    if (path !== "/") return answer(played, "next");
    played.print("Location: /bafkcid/a\n\n");
    first.resolve(played);
  });
  const responding = run.respond();
  const played = await first.promise;
  played.print("<p>moved");
  assert.equal(runs.length, 1);
  played.exit();
  assert.equal(await new Response(streamOf(await responding)).text(), "next");
  assert.equal(runs.length, 2);
});

Deno.test("a document after a local redirect is read as little as a head, and then a failure", async () => {
  for (
    const [bytes, fails] of [[RESPONSE_HEAD_BYTES_MAX, false], [RESPONSE_HEAD_BYTES_MAX + 1, true]]
  ) {
    const { run, runs } = await start((played, path) => {
      if (path !== "/") return answer(played, "next");
      played.print("Location: /bafkcid/a\n\n");
      played.print("x".repeat(Number(bytes)));
      played.exit();
    });
    const responding = run.respond();
    if (fails) await assert.rejects(responding, { code: "program_failed", message: /document/ });
    else assert.equal((await responding).status, 200);
    assert.equal(runs.length, fails ? 1 : 2);
    await run.record;
  }
});

Deno.test("a path elsewhere is a redirect for the client", async () => {
  for (const path of ["/bafkother/", "/metrics", "/"]) {
    const { run, runs } = await start((played) => {
      played.print(`Location: ${path}\n\n`);
      played.exit();
    });
    const { status, headers } = await run.respond();
    assert.deepEqual([status, headers, runs.length], [302, [["location", path]], 1]);
    assert.equal((await run.record).exit, 0);
  }
});

Deno.test("a program that redirects for ever has failed", async () => {
  const { run, runs } = await start((played) => redirect(played, "/"));
  await assert.rejects(run.respond(), { code: "program_failed", message: /more than 10 times/ });
  assert.equal(runs.length, LOCAL_REDIRECTS_MAX + 1);
  assert.equal((await run.record).exit, 0);
});

Deno.test("a program that redirects to what cannot be passed has failed, which is not free", async () => {
  const { run } = await start((played) => redirect(played, "/%00"));
  await assert.rejects(run.respond(), { code: "program_failed", message: /NUL/ });
  await run.record;
});

Deno.test("all runs of a call share the time of one", async () => {
  const { run, runs } = await start((played, path) => {
    if (path === "/") redirect(played, "/slow");
    else played.print("Status: 200\n\nhalf");
  }, { timeoutMs: 50 });
  const response = await run.respond();
  assert.ok(await response.read());
  await assert.rejects(response.read(), { code: "program_timeout", message: /50 ms/ });
  assert.equal((await run.record).limit, "timeout");
  await runs[1]!.killed;
});

Deno.test("a call that is extended has the more time, whichever run it is in", async () => {
  const second = Promise.withResolvers<PlayedRun>();
  const { run, runs } = await start((played, path) => {
    if (path === "/") redirect(played, "/a");
    else second.resolve(played);
  }, { timeoutMs: 100 });
  run.extend(200);
  const begunAt = performance.now();
  const answered = run.respond();
  await second.promise;
  run.extend(100);
  await assert.rejects(answered, { code: "program_timeout" });
  assert.equal((await run.record).limit, "timeout");
  const tookMs = performance.now() - begunAt;
  assert.ok(tookMs > 350, `it ended after ${tookMs} ms`);
  assert.equal(run.begun(), runs[0]!.live.begun());
});

Deno.test("the time for which any run of a call waits for its caller is none of its time", async () => {
  const [second, third] = [Promise.withResolvers<PlayedRun>(), Promise.withResolvers<PlayedRun>()];
  const { run, runs } = await start((played, path) => {
    if (path === "/a") return second.resolve(played);
    if (path === "/b") return third.resolve(played);
    played.wait(60_000);
    redirect(played, "/a");
  }, { timeoutMs: 0 });
  const answered = run.respond();
  const played = await second.promise;
  await turn();
  const begunAt = run.begun();
  assert.equal(begunAt, runs[0]!.live.begun());
  played.wait(5_000);
  assert.equal(Math.round(run.begun() - begunAt), 5_000);
  redirect(played, "/b");
  answer(await third.promise, "the end");
  assert.equal(await new Response(streamOf(await answered)).text(), "the end");
  assert.equal(Math.round(run.begun() - begunAt), 5_000);
});

Deno.test("a redirect at the end of the time is not followed", async () => {
  const { run, runs } = await start((played) => redirect(played, "/a"), { timeoutMs: 0 });
  await assert.rejects(run.respond(), { code: "program_timeout" });
  assert.equal((await run.record).limit, "timeout");
  assert.equal(runs.length, 1);
});

Deno.test("a call that is ended starts no further run, and ends the one that is", async () => {
  const early = await start((played) => redirect(played, "/a"));
  early.run.kill();
  await assert.rejects(early.run.respond(), { code: "program_limit" });
  assert.deepEqual([early.runs.length, (await early.run.record).limit], [1, "aborted"]);

  const second = Promise.withResolvers<PlayedRun>();
  const late = await start((played, path) => {
    if (path === "/") redirect(played, "/a");
    else second.resolve(played);
  });
  const responding = assert.rejects(late.run.respond(), { code: "program_limit" });
  const played = await second.promise;
  late.run.kill();
  await Promise.all([played.killed, responding]);
  assert.equal((await late.run.record).limit, "aborted");
});

Deno.test("a failure of ours in the next run is ours", async () => {
  const unavailable = new KhachapuriError("sandbox_unavailable", "the sandbox has ended");
  const { run } = await start((played, path) => {
    if (path === "/") redirect(played, "/a");
    else played.fail(unavailable);
  });
  await assert.rejects(run.respond(), unavailable);
  await assert.rejects(run.record, unavailable);
});
