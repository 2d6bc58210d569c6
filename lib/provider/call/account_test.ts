import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  type CallOptions,
  type CallWorld,
  CID,
  NOW,
  openCallWorld,
  REQUEST_BYTES,
} from "../../../worlds/calls.ts";
import type { PlayedRun } from "../../../worlds/sandbox/played_run.ts";
import { turn } from "../../../worlds/turns.ts";
import { KhachapuriError } from "../../errors.ts";
import { LOGGED_PATH_CHARACTERS_MAX } from "../../limits.ts";
import { Account, type Ending } from "./account.ts";
import type { Call } from "./call.ts";
import type { Claim, LostAnswer, StoredAnswer } from "./idempotency.ts";
import { Transcript } from "./transcript.ts";

const SIGSEGV = 11;
const sha256 = (data: string) => `0x${createHash("sha256").update(data).digest("hex")}`;
const failed = (code: ConstructorParameters<typeof KhachapuriError>[0]) =>
  new KhachapuriError(code, "so it was");

interface Ended {
  world: CallWorld;
  isCharged: boolean;
  kept: (StoredAnswer | LostAnswer)[];
  account: Account;
  ending: Ending;
}

interface Course {
  call?: CallOptions;
  /** What the program does. */
  play?: (run: PlayedRun, call: Call) => unknown;
  ending?: Partial<Ending>;
  answer?: string;
}

/** Ends the accounts of one call whose run went like this. */
async function settle(world: CallWorld, course: Course): Promise<Ended> {
  const { play = (run) => run.exit(), answer = "answer" } = course;
  const kept: Ended["kept"] = [];
  const claim: Claim = {
    async store(its) {
      await turn();
      assert.deepEqual(world.endings().at(-1), [], "kept once it was charged");
      kept.push(its);
    },
    end: () => Promise.resolve(void ends.push("claim")),
  };
  const ends: string[] = [];
  world.program = () => {};
  const begun = world.nextRun();
  const call = await world.open(course.call);
  const started = await call.start(call.bill, claim);
  await play(await begun, call);
  const isHashed = call.bill.source === "caller";
  const transcript = new Transcript({
    status: 200,
    headers: [],
    isHashed,
    isBodiless: false,
    claim,
  });
  transcript.add(new TextEncoder().encode(answer));
  const ending: Ending = {
    status: 200,
    error: null,
    beginning: null,
    transcript,
    isWhole: true,
    ...course.ending,
  };
  const account = new Account(call, started, claim);
  const isCharged = await account.end(ending);
  assert.deepEqual(ends, ["claim"], "the key is not free again");
  return { world, isCharged, kept, account, ending };
}

async function endingOf(course: Course, isClosed = false): Promise<string> {
  using world = await openCallWorld();
  world.isClosed = isClosed;
  const { isCharged } = await settle(world, course);
  await world.assertNothingTaken();
  const [[ending]] = world.endings() as [[string]];
  assert.equal(isCharged, ending.startsWith("charged"));
  const outcome = ending.startsWith("charged") ? ending.slice("charged ".length) : "released";
  const [counted] = await world.counters.runs.metric.read();
  assert.deepEqual(counted, { labels: { paid_by: "owner", outcome }, value: 1 });
  return ending;
}

Deno.test("a run that ends in whatever way of its own costs its payer a credit", async () => {
  const ways: [string, (run: PlayedRun) => void][] = [
    ["answered", (run) => run.exit()],
    ["failed", (run) => run.exit(3)],
    ["failed", (run) => run.crash(SIGSEGV)],
    ["timeout", (run) => run.meet("timeout")],
    ["limit", (run) => run.meet("memory")],
    ["limit", (run) => run.meet("stdout")],
    ["failed", (run) => run.collapse(failed("sandbox_unavailable"))],
  ];
  for (const [outcome, play] of ways) {
    assert.equal(await endingOf({ play }), `charged ${outcome}`);
  }
});

Deno.test("whoever ends a run, it costs a credit, unless the provider shuts down", async () => {
  const byCaller = (_: PlayedRun, call: Call) => call.kill();
  const byUs = (run: PlayedRun) => run.meet("aborted");
  assert.equal(await endingOf({ play: byCaller }), "charged aborted");
  assert.equal(await endingOf({ play: byUs }), "charged aborted");
  assert.equal(await endingOf({ play: byUs }, true), "released shutdown");
  assert.equal(await endingOf({ play: byCaller }, true), "charged aborted");
  assert.equal(await endingOf({ play: (run) => run.exit() }, true), "charged answered");
});

Deno.test("what fails at the program is charged, what fails at us is not", async () => {
  for (const code of ["program_failed", "program_timeout", "program_limit"] as const) {
    assert.equal(await endingOf({ ending: { error: failed(code) } }), "charged answered");
  }
  for (const code of ["internal", "sandbox_unavailable", "chain_unavailable"] as const) {
    assert.equal(await endingOf({ ending: { error: failed(code) } }), `released ${code}`);
  }
  const play = (run: PlayedRun) => run.fail(failed("sandbox_unavailable"));
  assert.equal(await endingOf({ play }), "released sandbox_unavailable");
});

Deno.test("a program has worked on a body until it was too much, and is paid for that", async () => {
  const chunk = new Uint8Array(1 << 20);
  const chunks = Array.from({ length: REQUEST_BYTES / chunk.length + 1 }, () => chunk);
  const call = { method: "POST", body: ReadableStream.from(chunks) };
  const ending = { error: failed("body_too_large") };
  const play = (run: PlayedRun) => run.killed;
  assert.equal(await endingOf({ call, play, ending }), "charged aborted");
});

Deno.test("accounts end once, and whoever asks again gets the same word", async () => {
  using world = await openCallWorld();
  const { account, ending, isCharged } = await settle(world, {});
  assert.equal(await account.end({ ...ending, error: failed("internal") }), isCharged);
  assert.deepEqual(world.endings(), [["charged answered"]]);
});

Deno.test("slot and sandbox are free before the charge is on disk", async () => {
  using world = await openCallWorld();
  world.before.charge = () => assert.equal(world.parts.gate.slots.busy(), 0);
  await settle(world, {});
  assert.deepEqual(world.endings(), [["charged answered"]]);
});

Deno.test("a charge that cannot be written is no charge, and the key is free again", async () => {
  using world = await openCallWorld();
  world.before.charge = () => {
    throw failed("overloaded");
  };
  world.program = () => {};
  const call = await world.open({ lane: "lane" });
  const begun = world.nextRun();
  const started = await call.start(call.bill, null);
  (await begun).exit();
  let isFree = false;
  const claim: Claim = {
    store: () => Promise.resolve(),
    end: () => Promise.resolve(void (isFree = true)),
  };
  const transcript = new Transcript({
    status: 200,
    headers: [],
    isHashed: true,
    isBodiless: false,
    claim,
  });
  const account = new Account(call, started, claim);
  const ending: Ending = { status: 200, error: null, beginning: null, transcript, isWhole: true };
  await assert.rejects(account.end(ending), { code: "overloaded" });
  assert.ok(isFree);
  assert.equal(world.parts.gate.slots.busy(), 0);
});

Deno.test("an answer that cannot be kept is not charged, as it would be paid for twice", async () => {
  using world = await openCallWorld();
  world.program = () => {};
  const call = await world.open({ lane: "lane" });
  const begun = world.nextRun();
  const claim: Claim = {
    store: () => Promise.reject(failed("database_unavailable")),
    end: (isCharged) => Promise.resolve(void told.push(isCharged)),
  };
  const told: unknown[] = [];
  const started = await call.start(call.bill, claim);
  (await begun).exit();
  const transcript = new Transcript({
    status: 200,
    headers: [],
    isHashed: true,
    isBodiless: false,
    claim,
  });
  const account = new Account(call, started, claim);
  const ending: Ending = { status: 200, error: null, beginning: null, transcript, isWhole: true };
  await assert.rejects(account.end(ending), { code: "database_unavailable" });
  assert.deepEqual(world.endings(), [["released database_unavailable"]]);
  assert.deepEqual(told, [false]);
  await world.assertNothingTaken();
});

Deno.test("a caller's charge carries what its receipt will say, an owner's carries nothing", async () => {
  using world = await openCallWorld();
  const post = { method: "POST", body: "question" };
  await settle(world, { call: { ...post, lane: "lane" }, answer: "answer" });
  await settle(world, { call: post });
  const [callers, owners] = world.holds;
  const { durationMs, ...facts } = callers!.facts!;
  assert.deepEqual(facts, {
    credits: 1,
    requestHash: sha256("question"),
    responseHash: sha256("answer"),
    startedAt: NOW,
  });
  assert.ok(Number.isInteger(durationMs) && durationMs >= 0);
  assert.equal(owners!.facts, null);
});

Deno.test("an answer is kept before its charge, and none is kept that was not charged", async () => {
  using world = await openCallWorld();
  const call = { lane: "lane" };
  const kept = await settle(world, { call });
  const body = new TextEncoder().encode("answer");
  assert.deepEqual(kept.kept, [{ status: 200, headers: [], body }]);
  const cut = await settle(world, { call, ending: { isWhole: false } });
  assert.deepEqual(cut.kept, [{ why: "it was cut short" }]);
  const released = await settle(world, { call, ending: { error: failed("internal") } });
  assert.deepEqual(released.kept, []);
});

Deno.test("a run is in its owner's log and in the figures, with what it wrote to stderr", async () => {
  using world = await openCallWorld();
  const play = (run: PlayedRun) => {
    run.print("out");
    run.complain("oops");
    run.exit(7);
  };
  const call = { method: "PUT", path: "/a%20b?key=secret" };
  await settle(world, { call, play, ending: { status: 502 } });
  const [run] = world.records.runLog.read(CID).runs;
  const { wallMs, ...logged } = run!;
  assert.match(String(wallMs), /^\d+(\.\d)?$/);
  assert.deepEqual(logged, {
    at: NOW,
    method: "PUT",
    path: "/a%20b",
    status: 502,
    exit: 7,
    signal: null,
    limit: null,
    credits: 1,
    cpuMs: 1,
    peakMemoryBytes: 4_096,
    stdinBytes: 0,
    stdoutBytes: 3,
    stderrBytes: 4,
    egress: null,
    reason: null,
    stderr: "oops",
  });
  const bytes = world.counters.usage.metrics.find(({ name }) => /run_bytes/.test(name))!;
  const stdout = (await bytes.read()).find(({ labels }) => labels!.stream === "stdout");
  assert.equal(stdout!.value, 3);
  assert.ok(world.lines.every((line) => !line.includes("oops")), "stderr is the owner's alone");
});

Deno.test("of a long path the log keeps the beginning", async () => {
  using world = await openCallWorld();
  await settle(world, { call: { path: `/${"a".repeat(4_000)}` } });
  assert.equal(world.records.runLog.read(CID).runs[0]!.path!.length, LOGGED_PATH_CHARACTERS_MAX);
});

Deno.test("a run that failed at us is in nobody's log", async () => {
  using world = await openCallWorld();
  await settle(world, { play: (run) => run.fail(failed("sandbox_unavailable")) });
  assert.deepEqual(world.records.runLog.read(CID).runs, []);
});
