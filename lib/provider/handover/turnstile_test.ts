import assert from "node:assert/strict";
import { requestOf } from "../../../worlds/answers.ts";
import type { Handle } from "../http/request.ts";
import { Turnstile } from "./turnstile.ts";

const answering = (status: number): Handle => () =>
  Promise.resolve({ status, headers: [], body: null });
const REQUEST = requestOf("https://provider.test/");

Deno.test("requests wait while nobody can answer, and go where they are led then", async () => {
  const turnstile = new Turnstile();
  const early = turnstile.handle(REQUEST);
  assert.equal(turnstile.lead(answering(200)), 0);
  assert.equal((await early).status, 200);
  turnstile.hold();
  turnstile.hold();
  const waiting = [turnstile.handle(REQUEST), turnstile.handle(REQUEST)];
  assert(turnstile.lead(answering(201)) >= 0);
  assert.deepEqual((await Promise.all(waiting)).map(({ status }) => status), [201, 201]);
  assert.equal((await turnstile.handle(REQUEST)).status, 201);
});

Deno.test("nobody waits for ever: who has waited too long may come again", async () => {
  const turnstile = new Turnstile(1);
  const { status, headers } = await turnstile.handle(REQUEST);
  assert.equal(status, 503);
  assert(headers.some(([name]) => name.toLowerCase() === "retry-after"));
});
