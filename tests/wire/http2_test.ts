/** Each row of docs/http.md on HTTP/2, tried on a provider with TLS. */
import assert from "node:assert/strict";
import { certificateFiles } from "../../worlds/certificate.ts";
import type { Http2Case } from "./http2/case.ts";
import { HTTP2_CHAPTERS } from "./http2/chapters.ts";
import { type Heard, Http2Connection } from "./http2/connection.ts";
import { openStage, type Stage } from "./stage.ts";
import { assertCharged, assertSeen } from "./trial.ts";

/** What takes longer does not come, even from a busy machine. */
const DEADLINE_MS = 20_000;

async function tryCase(stage: Stage, certificate: string, wanted: Http2Case): Promise<void> {
  const before = stage.charges();
  using connection = await Http2Connection.open(stage.port, certificate);
  if (!wanted.isGreeting) await connection.greet();
  const [octets] = stage.addressed([wanted.sends]);
  await connection.send(octets!);
  if (wanted.outcome === "ignored") {
    assert.ok(await connection.isAlive(DEADLINE_MS), "it was taken amiss");
    return;
  }
  const heard = await connection.hear(1, DEADLINE_MS);
  const told = JSON.stringify({ ...heard, body: heard.body.slice(0, 200) });
  if (wanted.outcome === "taken") {
    assert.ok(heard.status === 200 && heard.isWhole, told);
    assertSeen(stage.unaddressed(heard.body), wanted.seen!);
    assert.ok(await connection.isAlive(DEADLINE_MS), "the connection has ended");
  } else if (wanted.outcome === "ended") assert.ok(heard.isEnded, told);
  else assert.ok(isRefused(heard), told);
  const isTaken = wanted.outcome === "taken";
  // What is malformed behind its head may have begun a run, which costs its credit.
  await assertCharged(stage, before + (isTaken ? 1 : 0), !isTaken);
}

/** RFC 9113 section 8.1.1: an error of the stream, or an answer that says so. */
function isRefused({ status, reset, isEnded }: Heard): boolean {
  return status === null ? reset !== null || isEnded : status >= 400 && status < 500;
}

Deno.test("HTTP/2", async (t) => {
  await using certificate = await certificateFiles("localhost");
  const pem = await Deno.readTextFile(certificate.cert);
  await using stage = await openStage(certificate);
  for (const { title, cases } of HTTP2_CHAPTERS) {
    for (const each of cases) {
      await t.step(`${title}: ${each.name}`, () => tryCase(stage, pem, each));
    }
  }
});
