/** Tries one case on a provider: sends, reads answers strictly, and looks at what came of it. */
import assert from "node:assert/strict";
import { pause } from "../../lib/pause.ts";
import { ANSWER, END, type Seen, type Verdict, type WireCase } from "./case.ts";
import { type Answer, Connection, valuesOf } from "./connection.ts";
import type { Stage } from "./stage.ts";

/** An answer, or an end, that takes longer than this does not come, even from a busy machine. */
const DEADLINE_MS = 20_000;
/** Asked on a connection that was kept: it is answered only if both sides agree where they are. */
const PROBE = "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

export async function tryCase(stage: Stage, wanted: WireCase): Promise<void> {
  await untilIdle(stage);
  const before = stage.charges();
  using connection = await Connection.open(stage.port);
  const answers = await converse(stage, connection, wanted);
  assertStatuses(answers, wanted.answers);
  for (const [index, answer] of answers.entries()) {
    assertAnswer(stage, answer, wanted.answers[index]!);
  }
  await assertEnd(connection, wanted.then);
  const runs = wanted.answers.slice(0, answers.length).filter(({ seen }) => seen);
  await assertCharged(stage, before + runs.length, wanted.mayHaveRun);
}

async function converse(
  stage: Stage,
  connection: Connection,
  { sends, answers: verdicts }: WireCase,
): Promise<Answer[]> {
  const answers: Answer[] = [];
  const isNext = async () => {
    const method = verdicts[answers.length]?.method ?? "GET";
    const answer = await connection.readAnswer(method, DEADLINE_MS);
    if (answer) answers.push(answer);
    return answer !== null;
  };
  for (const piece of stage.addressed(sends)) {
    if (piece === END) await connection.sendEnd();
    else if (piece === ANSWER) await isNext();
    else await connection.send(piece);
  }
  while (answers.length < verdicts.length && await isNext());
  return answers;
}

function assertStatuses(answers: readonly Answer[], verdicts: readonly Verdict[]): void {
  const isAllowed = (status: number, index: number) => {
    const allowed = verdicts[index]!.status;
    return typeof allowed === "number" ? allowed === status : allowed.includes(status);
  };
  const isRight = verdicts.slice(answers.length).every(({ isOptional }) => isOptional) &&
    answers.every(({ status }, index) => isAllowed(status, index));
  const got = answers.map(({ status, body }) => `${status} ${body.slice(0, 80)}`);
  const wanted = verdicts.map(({ status }) => status);
  assert.ok(isRight, `answers ${JSON.stringify(got)} in place of ${JSON.stringify(wanted)}`);
}

function assertAnswer(stage: Stage, answer: Answer, verdict: Verdict): void {
  const { seen, body, isCut = false, lacks = [], fields = {} } = verdict;
  assert.deepEqual(answer.trailers, [], "after the last chunk");
  assert.equal(answer.isWhole, !isCut, isCut ? "it looks whole" : "it looks cut off");
  if (body !== undefined) assert.equal(answer.body, body);
  for (const line of lacks) {
    const lines = answer.fields.map(([name, value]) => `${name}: ${value}`.toLowerCase());
    assert.ok(!lines.includes(line), line);
  }
  for (const [name, values] of Object.entries(fields)) {
    assert.deepEqual(valuesOf(answer, name), values, name);
  }
  if (seen && Object.keys(seen).length > 0) assertSeen(stage.unaddressed(answer.body), seen);
}

/** Looks at what the program tells of its arguments, variables and body. */
export function assertSeen(told: string, wanted: Seen): void {
  const lines = (told.split("\nbody\n")[0] ?? "").split("\n");
  const args = [...told.matchAll(/^argument (.*)$/gm)].map(([, argument]) => argument!);
  assert.ok(args.length > 0, `not what the program tells: ${told.slice(0, 300)}`);
  const variable = (name: string) =>
    lines.find((line) => line.startsWith(`variable ${name}=`))?.slice(10 + name.length);
  const { method, target, protocol, host, body, fields = {} } = wanted;
  if (method !== undefined) assert.equal(variable("REQUEST_METHOD"), method);
  if (host !== undefined) assert.equal(variable("HTTP_HOST"), host);
  if (protocol !== undefined) assert.equal(variable("SERVER_PROTOCOL"), protocol);
  if (target !== undefined) {
    const url = args.at(-1)!;
    assert.equal(url.replace(/^https?:\/\/[^/?]*/, ""), target, `target, of ${url}`);
  }
  if (body !== undefined) assert.equal(told.slice(told.indexOf("\nbody\n") + 6), body, "body");
  const given = args.filter((_, index) => args[index - 1] === "-H");
  for (const [name, values] of Object.entries(fields)) {
    const each = given.flatMap((line) => {
      const [, key, value] = /^([^:;]*)[:;] ?(.*)$/.exec(line) ?? [];
      return key === name ? [value!] : [];
    });
    assert.deepEqual(each, values, name);
  }
}

async function assertEnd(connection: Connection, wanted: WireCase["then"]): Promise<void> {
  if (wanted === "closed" || wanted === "reset") {
    const ending = await connection.readEnd(DEADLINE_MS);
    // Whoever sent more than was read gets a reset with the close.
    if (wanted === "reset") assert.equal(ending, "reset");
    else assert.notEqual(ending, "open", "it is still open");
    return;
  }
  await connection.send(PROBE);
  const answer = await connection.readAnswer("GET", DEADLINE_MS);
  if (answer) assert.match(answer.body, /"ok": true/, "another answer than the probe's");
  else if (wanted === "kept") assert.fail("it was closed");
  assert.notEqual(await connection.readEnd(DEADLINE_MS), "open", "it is still open");
}

/** A run may end, and be charged, a moment after its answer. */
export async function assertCharged(
  stage: Pick<Stage, "charges" | "runs">,
  wanted: number,
  mayBeOneMore = false,
): Promise<void> {
  await untilIdle(stage);
  const until = Date.now() + DEADLINE_MS;
  while (stage.charges() < wanted && Date.now() < until) await pause(5);
  const more = stage.charges() - wanted;
  assert.ok(more === 0 || (more === 1 && mayBeOneMore), `${more} credits more were charged`);
}

/** What an earlier case left running is charged to it. */
export async function untilIdle(stage: Pick<Stage, "runs">): Promise<void> {
  const until = Date.now() + DEADLINE_MS;
  while (await stage.runs() > 0) {
    assert.ok(Date.now() < until, "a run does not end");
    await pause(5);
  }
}
