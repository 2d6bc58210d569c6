/**
 * Random connections, read by the provider's listener, by Node's parser in strict mode and by the
 * grammar of RFC 9112: the listener takes what the grammar takes, refuses the rest, and the parser
 * reads no request otherwise. `deno task test:wire` tries many more; KHACHAPURI_SEED repeats a run.
 */
import assert from "node:assert/strict";
import { randomOf, seededRandom } from "../../worlds/random.ts";
import { complaint, disagreement, hear, type Readings } from "./fuzz/compare.ts";
import { attempt } from "./fuzz/generate.ts";
import { readByGrammar } from "./fuzz/grammar.ts";
import { type Reference, startReference } from "./fuzz/reference.ts";
import { startSubject } from "./fuzz/subject.ts";

const RUNS = Number(Deno.env.get("KHACHAPURI_WIRE_RUNS") ?? 4_000);
const AT_ONCE = 8;

interface Tally {
  taken: number;
  refused: number;
}

/** Tries the connection of one seed. */
async function tryOne(port: number, node: Reference, seed: number, tally: Tally) {
  const tried = attempt(randomOf(seed));
  const grammar = readByGrammar(tried.pieces.join(""));
  const readings: Readings = { grammar, reference: await node.read(tried.pieces) };
  const heard = await hear(port, tried, readings).catch((error: Error) => error);
  const wrong = disagreement(readings) ??
    (heard instanceof Error ? heard.message : complaint(readings, heard));
  const facts = JSON.stringify({ ...tried, readings, heard }, null, 1);
  assert.equal(wrong, null, `KHACHAPURI_SEED=${seed} KHACHAPURI_WIRE_RUNS=1: ${wrong}\n${facts}`);
  tally.taken += grammar.requests.length;
  tally.refused += grammar.failure === null ? 0 : 1;
}

Deno.test("random connections are read as the reference reads them, or refused", async () => {
  await using subject = await startSubject();
  await using reference = startReference();
  const { seed } = seededRandom("the wire");
  const tally: Tally = { taken: 0, refused: 0 };
  let started = 0;
  const work = async () => {
    while (started < RUNS) await tryOne(subject.port, reference, seed + started++, tally);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  // Neither all sound nor all refused: otherwise this compared nothing.
  if (RUNS > 1) {
    assert.ok(tally.taken > RUNS / 2 && tally.refused > RUNS / 10, JSON.stringify(tally));
  }
});
