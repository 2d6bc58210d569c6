import assert from "node:assert/strict";
import { KhachapuriError } from "../errors.ts";
import { parseCurlFlags } from "./curl_flags.ts";
import type { CurlAnswer } from "./curl_send.ts";
import { type Exchange, transfer } from "./curl_transfer.ts";
import { formatCurlUrl, parseCurlUrl } from "./curl_url.ts";

const inputs = { file: () => Promise.reject(), stdin: () => Promise.reject() };
const timing = { lookup: 0, connected: 0, secured: 0, sent: 0, answered: 0, connection: null };

function answer(status: number, location?: string): CurlAnswer {
  const fields = location === undefined ? [] : [["Location", location] as const];
  return { version: "1.1", status, reason: "", fields, body: new Blob(["x"]).stream(), timing };
}

/** Answers from a list, the last again and again; an error in it is thrown. */
async function run(flags: string[], ...answers: (CurlAnswer | Error)[]) {
  const command = await parseCurlFlags([...flags, "/"], inputs);
  const seen: string[] = [];
  const waits: number[] = [];
  const exchange: Exchange = ({ method, url }) => {
    seen.push(`${method} ${formatCurlUrl(url)}`);
    const next = answers.length > 1 ? answers.shift()! : answers[0]!;
    return next instanceof Error ? Promise.reject(next) : Promise.resolve(next);
  };
  const done = await transfer(command, parseCurlUrl("http://h/"), exchange, {
    onAnswer: () => {},
    onRetry: (_, waitMs) => void waits.push(waitMs),
    sleep: () => Promise.resolve(),
  });
  return { ...done, seen, waits };
}

Deno.test("without -L a redirect is the answer; with it the last one is", async () => {
  const plain = await run([], answer(302, "a"));
  assert.deepEqual([plain.answer.status, formatCurlUrl(plain.redirectUrl!)], [302, "http://h/a"]);
  const odd = await run([], answer(302, "ftp://h/"));
  assert.deepEqual([odd.answer.status, odd.redirectUrl], [302, null]);
  const followed = await run(["-L", "-d", "x"], answer(307, "a"), answer(302, "b"), answer(200));
  assert.deepEqual(followed.seen, ["POST http://h/", "POST http://h/a", "GET http://h/b"]);
  assert.equal(followed.redirects, 2);
});

Deno.test("more redirects than --max-redirs are a failure", async () => {
  await assert.rejects(run(["-L", "--max-redirs", "2"], answer(302, "a")), /more than 2 redirects/);
});

Deno.test("--retry tries again what may be gone a moment later, and nothing else", async () => {
  const again = await run(["--retry", "3"], answer(503), answer(429), answer(200));
  assert.deepEqual([again.answer.status, again.waits], [200, [1_000, 2_000]]);
  assert.equal((await run(["--retry", "1", "--retry-delay", "5"], answer(500))).answer.status, 500);
  assert.deepEqual((await run(["--retry", "3"], answer(404))).seen.length, 1);
  assert.deepEqual((await run(["--retry", "1", "--retry-all-errors"], answer(404))).seen.length, 2);
  assert.deepEqual((await run(["--retry", "9", "--retry-max-time", "1"], answer(503))).waits, []);
});

Deno.test("a connection that is refused is tried again by --retry-connrefused only", async () => {
  const refused = new KhachapuriError("provider_unavailable", "nothing listens there");
  await assert.rejects(run(["--retry", "2"], refused, answer(200)), refused);
  const tried = await run(["--retry", "2", "--retry-connrefused"], refused, answer(200));
  assert.equal(tried.seen.length, 2);
});

Deno.test("-m is over for each try, in an error that names it", async () => {
  const command = await parseCurlFlags(["-m", "0.05", "--retry", "1", "/"], inputs);
  let tries = 0;
  const exchange: Exchange = (_, signal) => {
    tries++;
    return new Promise((_, reject) =>
      signal!.addEventListener("abort", () => reject(new Error("cut")))
    );
  };
  const hooks = { onAnswer: () => {}, onRetry: () => {}, sleep: () => Promise.resolve() };
  // Its timer keeps no process alive, a test's has to be.
  const alive = setInterval(() => {}, 1_000);
  const pending = transfer(command, parseCurlUrl("http://h/"), exchange, hooks);
  await assert.rejects(pending, { code: "program_timeout", message: /within 50 ms \(-m\)/ });
  clearInterval(alive);
  assert.equal(tries, 2);
});
