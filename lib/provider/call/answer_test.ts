/** What a run is answered with, and what it costs. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { type CallOptions, openCallWorld, PREPAID, REQUEST_BYTES } from "../../../worlds/calls.ts";
import { aWhile } from "../../../worlds/turns.ts";
import type { PlayedRun } from "../../../worlds/sandbox/played_run.ts";
import { KhachapuriError } from "../../errors.ts";

const LANE = "lane";
const lost = new KhachapuriError("sandbox_unavailable", "the sandbox has ended");
const sha256 = (data: string | Uint8Array) =>
  `0x${createHash("sha256").update(data).digest("hex")}`;

/** What one call of a program is answered, and how its credit ended. */
async function answer(play: (run: PlayedRun) => unknown, options: CallOptions = {}) {
  using world = await openCallWorld();
  world.program = play;
  const response = await world.call(options);
  const text = await response.text();
  await world.assertNothingTaken();
  const [[ending]] = world.endings() as [[string]];
  return { status: response.status, headers: response.headers, text, ending };
}

/** Fails with the code, and says how the credit ended. */
async function failure(play: (run: PlayedRun) => unknown, code: string, options?: CallOptions) {
  using world = await openCallWorld();
  world.program = play;
  await assert.rejects(world.call(options), { code });
  await world.assertNothingTaken();
  return world.endings()[0]![0];
}

Deno.test("what a program prints is its answer, with its own status or 200", async () => {
  const plain = await answer((run) => {
    run.print("khacha");
    run.print("puri");
    run.exit();
  });
  assert.deepEqual([plain.status, plain.text], [200, "khachapuri"]);
  const own = await answer((run) => {
    run.print("HTTP/1.1 404 Not Found\nx-a: b\n\nno");
    run.exit();
  });
  assert.deepEqual([own.status, own.text, own.headers.get("x-a")], [404, "no", "b"]);
  assert.deepEqual([plain.ending, own.ending], ["charged answered", "charged answered"]);
});

Deno.test("a program that printed has answered, however it ends; an empty success has, too", async () => {
  const bad = await answer((run) => {
    run.print("half");
    run.exit(3);
  });
  assert.deepEqual([bad.status, bad.text, bad.ending], [200, "half", "charged failed"]);
  const head = await answer((run) => {
    run.print("HTTP/1.1 500 Oops\n\n");
    run.exit(1);
  });
  assert.deepEqual([head.status, head.text, head.ending], [500, "", "charged failed"]);
  const empty = await answer((run) => run.exit());
  assert.deepEqual([empty.status, empty.text, empty.ending], [200, "", "charged answered"]);
});

Deno.test("a program's failure is charged, and answered with what went wrong", async () => {
  const ways: [(run: PlayedRun) => void, number, string, RegExp, string][] = [
    [(run) => run.exit(3), 502, "program_failed", /exited with 3/, "failed"],
    [(run) => run.crash(11), 502, "program_failed", /ended by SIGSEGV/, "failed"],
    [(run) => run.meet("timeout"), 504, "program_timeout", /longer than/, "timeout"],
    [(run) => run.meet("memory"), 502, "program_limit", /memory/, "limit"],
    [(run) => run.meet("stdout"), 502, "program_limit", /printed more/, "limit"],
    [(run) => run.collapse(lost), 502, "program_failed", /sandbox was brought down/, "failed"],
  ];
  for (const [play, status, code, message, outcome] of ways) {
    const said = await answer(play);
    const body = JSON.parse(said.text);
    assert.deepEqual([said.status, body.error], [status, code]);
    assert.match(body.message, message);
    assert.equal(said.ending, `charged ${outcome}`);
  }
});

Deno.test("a malformed head is the program's failure, and ends it", async () => {
  using world = await openCallWorld();
  world.program = (run) => run.print("HTTP/1.1 nonsense\n\n");
  const started = world.nextRun();
  const response = await world.call();
  await (await started).killed;
  assert.equal(response.status, 502);
  assert.equal((await response.json()).error, "program_failed");
  assert.deepEqual(world.endings(), [["charged aborted"]]);
  await world.assertNothingTaken();
});

Deno.test("an answer that is cut off as its sandbox is brought down costs what it took", async () => {
  using world = await openCallWorld();
  world.program = (run) => run.print("half");
  const begun = world.nextRun();
  const response = await world.call();
  (await begun).collapse(lost);
  await assert.rejects(response.text());
  assert.deepEqual(world.endings(), [["charged failed"]]);
  await world.assertNothingTaken();
});

Deno.test("a failure of ours is no answer, and costs nothing", async () => {
  for (const printed of ["", "half"]) {
    const ending = await failure((run) => {
      run.print(printed);
      run.fail(lost);
    }, "sandbox_unavailable");
    assert.equal(ending, "released sandbox_unavailable");
  }
});

Deno.test("who has paid for a run that we failed is told that it is owed another", async () => {
  const failing = new KhachapuriError("sandbox_unavailable", "it has ended", {
    hints: ["nothing was charged", "try again"],
  });
  for (const [lane, hints] of [[PREPAID, ["it is paid", "try again"]], [LANE, failing.hints]]) {
    using world = await openCallWorld();
    world.program = (run) => run.fail(failing);
    await assert.rejects(world.call({ lane: lane as string }), { hints });
    assert.deepEqual(world.endings(), [["released sandbox_unavailable"]]);
  }
});

/** A body that does not say how long it is: more than may come. */
function endless(): ReadableStream<Uint8Array<ArrayBuffer>> {
  const chunk = new Uint8Array(1 << 20);
  const chunks = Array.from({ length: REQUEST_BYTES / chunk.length + 1 }, () => chunk);
  return ReadableStream.from(chunks);
}

Deno.test("a body that grows too large ends its run, is refused and charged", async () => {
  const programs = [
    () => {},
    // It takes the end of its input for a reason to answer: that is no answer.
    (run: PlayedRun) => void (run.lastAct = () => run.print("done")),
  ];
  for (const program of programs) {
    const said = await answer(program, { method: "POST", body: endless() });
    assert.deepEqual([said.status, JSON.parse(said.text).error], [413, "body_too_large"]);
    assert.equal(said.ending, "charged aborted");
  }
});

Deno.test("a body that grows too large under an answer cuts it off, and is charged", async () => {
  using world = await openCallWorld();
  world.program = (run) => run.print("early");
  const begun = Promise.withResolvers<void>();
  async function* body() {
    yield new Uint8Array(1);
    await begun.promise;
    yield* endless();
  }
  const response = await world.call({ method: "POST", body: ReadableStream.from(body()) });
  begun.resolve();
  await assert.rejects(response.text());
  assert.deepEqual(world.endings(), [["charged aborted"]]);
  await world.assertNothingTaken();
});

Deno.test("HEAD, 204 and 304 have no body, and cost what others cost", async () => {
  const head = (status: number) => (run: PlayedRun) => {
    run.print(`HTTP/1.1 ${status} Fine\nx-a: b\n\nbody`);
    run.exit();
  };
  const cases: [number, CallOptions][] = [
    [200, { method: "HEAD" }],
    [204, {}],
    [205, {}],
    [304, {}],
  ];
  for (const [status, options] of cases) {
    using world = await openCallWorld();
    world.program = head(status);
    const response = await world.call({ ...options, lane: LANE });
    assert.equal(response.status, status);
    assert.equal(response.body, null);
    assert.equal(response.headers.get("x-a"), "b");
    assert.deepEqual(world.endings(), [["charged answered"]]);
    assert.equal(world.holds[0]!.facts!.responseHash, sha256(""));
    await world.assertNothingTaken();
  }
});

Deno.test("a failure that answers a HEAD has no body either", async () => {
  using world = await openCallWorld();
  world.program = (run) => run.exit(3);
  const response = await world.call({ method: "HEAD", lane: LANE });
  assert.deepEqual([response.status, response.body], [502, null]);
  assert.equal(world.holds[0]!.facts!.responseHash, sha256(""));
});

Deno.test("an answer is safe for the origin that it comes from", async () => {
  const play = (run: PlayedRun) => {
    run.print("HTTP/1.1 200 OK\nset-cookie: a=b\nclear-site-data: *\nx-accel-redirect: /\n\nx");
    run.exit();
  };
  const shared = await answer(play);
  const own = await answer(play, { form: "host" });
  for (const { headers } of [shared, own]) {
    assert.equal(headers.get("clear-site-data"), null);
    assert.equal(headers.get("x-accel-redirect"), null);
    assert.equal(headers.get("x-content-type-options"), "nosniff");
  }
  assert.deepEqual(shared.headers.getSetCookie(), []);
  assert.equal(shared.headers.get("content-security-policy"), "sandbox");
  assert.deepEqual(own.headers.getSetCookie(), ["a=b"]);
});

Deno.test("a program forges no word about money", async () => {
  const { headers } = await answer((run) => {
    run.print("HTTP/1.1 200 OK\nkhachapuri-receipt: /receipts/forged\npayment-response: x\n\nx");
    run.exit();
  });
  assert.equal(headers.get("khachapuri-receipt"), null);
  assert.equal(headers.get("payment-response"), null);
});

Deno.test("caches keep what a program lets them, and never what a caller paid for", async () => {
  const cacheable = (run: PlayedRun) => {
    run.print("HTTP/1.1 200 OK\ncache-control: public, max-age=60\n\nx");
    run.exit();
  };
  const silent = (run: PlayedRun) => {
    run.print("x");
    run.exit();
  };
  const of = async (play: (run: PlayedRun) => void, options: CallOptions) =>
    (await answer(play, options)).headers.get("cache-control");
  assert.equal(await of(cacheable, {}), "public, max-age=60");
  assert.equal(await of(silent, {}), "no-store");
  assert.equal(await of(cacheable, { lane: LANE }), "no-store");
});

Deno.test("a caller that pays is told about its money, also with a failure; an owner is not", async () => {
  for (const play of [(run: PlayedRun) => run.print("x"), (run: PlayedRun) => run.exit(3)]) {
    const ended = (run: PlayedRun) => {
      play(run);
      run.exit();
    };
    const paid = await answer(ended, { lane: LANE });
    assert.equal(paid.headers.get("khachapuri-receipt"), "/receipts/1");
    assert.equal((await answer(ended)).headers.get("khachapuri-receipt"), null);
  }
});

Deno.test("a receipt's hashes are of what came and of what was sent, in one piece or in many", async () => {
  for (const isLong of [false, true]) {
    using world = await openCallWorld();
    world.program = async (run) => {
      run.print("first ");
      if (isLong) await aWhile();
      run.print(await run.stdin);
      run.exit();
    };
    const response = await world.call({ method: "POST", body: "question", lane: LANE });
    const sent = await response.text();
    assert.equal(sent, "first question");
    const { requestHash, responseHash } = world.holds[0]!.facts!;
    assert.deepEqual([requestHash, responseHash], [sha256("question"), sha256(sent)]);
  }
});

Deno.test("a receipt for a failure is about the words that say so", async () => {
  using world = await openCallWorld();
  world.program = (run) => run.exit(3);
  const text = await (await world.call({ lane: LANE })).text();
  assert.equal(world.holds[0]!.facts!.responseHash, sha256(text));
});

Deno.test("the hash of a body covers what the program left unread", async () => {
  using world = await openCallWorld();
  const body = new Uint8Array(1 << 20).fill(7);
  const response = await world.call({ method: "POST", body, lane: LANE });
  assert.equal(await response.text(), "hello\n");
  assert.equal(world.holds[0]!.facts!.requestHash, sha256(body));
});

Deno.test("no byte of an answer goes out before its payer's notice, and none without", async () => {
  using world = await openCallWorld();
  world.program = (run) => run.print("paid for?");
  world.before.notice = () => {
    throw new KhachapuriError("payment_required", "the money did not come");
  };
  const started = world.nextRun();
  await assert.rejects(world.call({ lane: LANE }), { code: "payment_required" });
  await (await started).killed;
  await world.assertNothingTaken();
  assert.deepEqual(world.endings(), [["released payment_required"]]);
});

Deno.test("who pays for a call and asks is told where its time went, and nobody else is", async () => {
  const asking = { "khachapuri-timing": "1" };
  const timingOf = async (options: CallOptions) => {
    const { headers } = await answer((run) => {
      run.print("HTTP/1.1 200 OK\nServer-Timing: db;dur=53\n\nhello");
      run.exit();
    }, options);
    return headers.get("server-timing");
  };
  // The program's own stays, and ours comes last.
  const times = /^db;dur=53, queue;dur=[0-9.]+, fetch;dur=[0-9.]+, start;dur=[0-9.]+, run;dur=/;
  assert.match(await timingOf({ headers: asking, lane: LANE }) ?? "", times);
  assert.equal(await timingOf({ headers: asking }), "db;dur=53");
  assert.equal(await timingOf({ lane: LANE }), "db;dur=53");
  const head = await timingOf({ headers: asking, lane: LANE, method: "HEAD" });
  assert.match(head ?? "", times);
});

Deno.test("of a stream the time of its run is told up to its beginning", async () => {
  using world = await openCallWorld();
  world.program = (run) => run.print("begun");
  const next = world.nextRun();
  const headers = { "khachapuri-timing": "1" };
  const [response, run] = [await world.call({ headers, lane: LANE }), await next];
  const told = response.headers.get("server-timing") ?? "";
  assert.match(told, /run;dur=[0-9.]+;desc="until the answer began"$/);
  run.exit();
  assert.equal(await response.text(), "begun");
  await world.assertNothingTaken();
});

Deno.test("a program's failure that is paid for says where its time went, too", async () => {
  const options = { headers: { "khachapuri-timing": "1" }, lane: LANE };
  const { status, headers } = await answer((run) => run.exit(1), options);
  assert.equal(status, 502);
  assert.match(headers.get("server-timing") ?? "", /^queue;.* run;dur=[0-9.]+$/);
});
