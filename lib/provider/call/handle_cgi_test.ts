import assert from "node:assert/strict";
import {
  type CallOptions,
  type CallWorld,
  openCallWorld,
  REQUEST_BYTES,
} from "../../../worlds/calls.ts";
import { BUFFERED_BODY_BYTES_MAX, WHOLE_BODY_BYTES_MAX } from "../../limits.ts";
import { createBodyReader } from "../http/request_body.ts";

/** A body whose sender does not say how long it is. */
const chunked = (...chunks: string[]): CallOptions => ({
  method: "POST",
  body: ReadableStream.from(chunks.map((chunk) => new TextEncoder().encode(chunk))),
});

/** A world whose programs answer with their CONTENT_LENGTH and the body. */
async function openMirror(style: "cgi" | "curl"): Promise<CallWorld> {
  const world = await openCallWorld({ spec: { interface: style } });
  world.program = async (run) => {
    const length = String(run.request.env.CONTENT_LENGTH);
    if (style === "cgi") run.print("Content-Type: text/plain\n\n");
    run.print(`${length}: `);
    if (run.request.stdin) run.print(await run.stdin);
    run.exit();
  };
  return world;
}

const textOf = async (answer: Promise<Response>) => await (await answer).text();

Deno.test("RFC 3875 4.1.2: a CGI program is told how long a chunked body is", async () => {
  using world = await openMirror("cgi");
  assert.equal(await textOf(world.call(chunked("hello ", "chunked"))), "13: hello chunked");
  assert.equal(await textOf(world.call(chunked())), "0: ");
  assert.equal(await textOf(world.call()), "undefined: ");
  assert.equal(await textOf(world.call({ headers: { "content-length": "0" } })), "0: ");
  await world.assertNothingTaken();
});

Deno.test("a body that says its length is not waited for, nor is any for the curl interface", async () => {
  const said: CallOptions = { ...chunked("four"), headers: { "content-length": "4" } };
  const cases = [["cgi", said, "4: four"], ["curl", chunked("four"), "undefined: four"]] as const;
  for (const [style, options, text] of cases) {
    using world = await openMirror(style);
    world.parts.gate.readBody = () => assert.fail("it was read whole");
    assert.equal(await textOf(world.call(options)), text);
    await world.assertNothingTaken();
  }
});

Deno.test("a chunked body that is too long, or for which there is no room, costs nothing", async () => {
  const long = new Uint8Array(1024 * 1024);
  const endless = () => {
    const body = new ReadableStream({ pull: (controller) => controller.enqueue(long) });
    return { method: "POST", body };
  };
  const cases = [
    [BUFFERED_BODY_BYTES_MAX, "body_too_large"],
    [WHOLE_BODY_BYTES_MAX / 2, "overloaded"],
  ] as const;
  for (const [heldBytesMax, code] of cases) {
    using world = await openMirror("cgi");
    world.parts.gate.readBody = createBodyReader({ heldBytesMax, bytesMax: REQUEST_BYTES });
    await assert.rejects(world.call(endless()), { code });
    assert.deepEqual(world.holds, []);
    assert.equal(await textOf(world.call(chunked("room again"))), "10: room again");
    await world.assertNothingTaken();
  }
});

Deno.test("who may not call is refused before its body is read", async () => {
  using world = await openMirror("cgi");
  world.parts.gate.readBody = () => assert.fail("it was read");
  world.before.admit = () => {
    throw new Error("not admitted");
  };
  await assert.rejects(world.call(chunked("data")), /not admitted/);
  await world.assertNothingTaken();
});

Deno.test("a local redirect is one call: one slot, one credit, one line of the log", async () => {
  using world = await openCallWorld({ spec: { interface: "cgi" } });
  const busy: number[] = [];
  world.program = (run) => {
    busy.push(world.parts.gate.slots.busy());
    const { PATH_INFO, SCRIPT_NAME } = run.request.env;
    if (PATH_INFO === "/") run.print(`Location: ${SCRIPT_NAME}/target\n\n`);
    else run.print("Content-Type: text/plain\n\nthe target\n");
    run.exit();
  };
  const answer = await world.call({ lane: "lane" });
  assert.deepEqual([answer.status, await answer.text()], [200, "the target\n"]);
  assert.equal(answer.headers.get("location"), null);
  assert.deepEqual(world.endings(), [["charged answered"]]);
  assert.deepEqual(busy, [1, 1]);
  assert.equal(world.records.runLog.read(world.deployment.cid).runs.length, 1);
  await world.assertNothingTaken();
});

Deno.test("a program that redirects for ever is charged as one that failed", async () => {
  using world = await openCallWorld({ spec: { interface: "cgi" } });
  world.program = (run) => {
    run.print(`Location: ${run.request.env.REQUEST_URI}\n\n`);
    run.exit();
  };
  const answer = await world.call({ lane: "lane" });
  assert.deepEqual([answer.status, (await answer.json()).error], [502, "program_failed"]);
  assert.deepEqual(world.endings(), [["charged answered"]]);
  await world.assertNothingTaken();
});

Deno.test("what cannot be passed to a program is refused before a credit is held", async () => {
  for (const style of ["cgi", "curl"]) {
    using world = await openCallWorld({ spec: { interface: style } });
    world.before.hold = () => assert.fail("a credit was held");
    await assert.rejects(world.call({ path: "/%00" }), { code: "invalid_input" });
    await world.assertNothingTaken();
  }
});
