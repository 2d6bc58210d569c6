/** Tries one row through one interface: sends, reads strictly, looks at what comes. */
import assert from "node:assert/strict";
import { type Answer, Connection, valuesOf } from "../wire/connection.ts";
import { assertCharged, untilIdle } from "../wire/trial.ts";
import { DEPLOYMENT, type Interface, type Outcome, piecesFor, type Row, type Told } from "./row.ts";
import type { Stage } from "./stage.ts";

/** An answer that takes longer than this does not come, even from a busy machine. */
const DEADLINE_MS = 20_000;

export async function tryRow(stage: Stage, row: Row, kind: Interface): Promise<void> {
  await untilIdle(stage);
  const before = stage.charges();
  const cid = stage.cids[kind];
  const outcome = row.outcomes[kind];
  {
    using connection = await Connection.open(stage.port);
    for (const piece of piecesFor(row, kind)) {
      if (typeof piece === "string") await connection.send(piece.replaceAll(DEPLOYMENT, cid));
      else await connection.hear(piece.hear, DEADLINE_MS);
    }
    if (!row.hangsUp) {
      const { answer, interim } = await readAnswer(connection, methodOf(row, kind));
      assert.deepEqual(interim, outcome.interim ?? [], "interim answers");
      assertAnswer(answer, outcome, cid);
    }
  }
  await assertCharged(stage, before + (outcome.isFree ? 0 : 1));
}

function methodOf(row: Row, kind: Interface): string {
  const [first] = piecesFor(row, kind);
  return String(first).split(" ")[0]!;
}

async function readAnswer(connection: Connection, method: string) {
  const interim: number[] = [];
  while (true) {
    const answer = await connection.readAnswer(method, DEADLINE_MS);
    assert.ok(answer, "no answer");
    if (answer.status >= 200 || answer.status === 101) return { answer, interim };
    interim.push(answer.status);
  }
}

function assertAnswer(answer: Answer, outcome: Outcome, cid: string): void {
  const { status, body, framing, fields = {}, trailers = [], told } = outcome;
  assert.equal(answer.status, status, `${answer.status} ${answer.body.slice(0, 300)}`);
  assert.ok(answer.isWhole, "it is cut off");
  if (body !== undefined) assert.equal(answer.body, body);
  if (framing !== undefined) assert.equal(answer.framing, framing);
  for (const [name, value] of Object.entries(fields)) {
    const wanted = value === null ? [] : [value.replaceAll(DEPLOYMENT, cid)];
    assert.deepEqual(valuesOf(answer, name), wanted, name);
  }
  assert.deepEqual(answer.trailers, trailers, "trailers");
  if (told) assertTold(JSON.parse(valuesOf(answer, "x-told")[0]!), told, cid);
}

function assertTold(got: Required<Told>, { fields = {}, ...wanted }: Told, cid: string): void {
  for (const [name, value] of Object.entries(wanted)) {
    assert.equal(got[name as keyof Told], value, name);
  }
  for (const [name, values] of Object.entries(fields)) {
    const expected = values?.map((value) => value.replaceAll(DEPLOYMENT, cid)) ?? null;
    assert.deepEqual(got.fields[name] ?? null, expected, name);
  }
}
