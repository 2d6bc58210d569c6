import assert from "node:assert/strict";
import { KhachapuriError } from "../errors.ts";
import { GATEWAY_BACKOFF_SECONDS_MAX } from "../limits.ts";
import { Operator } from "./operator.ts";

function watched() {
  const world = { at: 1_000_000 };
  return { world, operator: new Operator(() => world.at) };
}

const busy = (retryAfterSeconds: number) =>
  new KhachapuriError("ipfs_unavailable", "busy", { retryAfterSeconds });

Deno.test("one request goes first after a rest, and tells whether the others may", () => {
  const { world, operator } = watched();
  operator.ask().failed(busy(10));
  assert.equal(operator.waitSeconds(), 10);
  assert.throws(() => operator.ask(), { code: "ipfs_unavailable", retryAfterSeconds: 10 });
  world.at += 10_000;
  const first = operator.ask();
  assert.throws(() => operator.ask(), { retryAfterSeconds: 1 });
  first.answered();
  operator.ask();
  operator.ask();
});

Deno.test("who has not recovered is left alone twice as long, up to a minute", () => {
  const { world, operator } = watched();
  const waits = [10, 20, 40, GATEWAY_BACKOFF_SECONDS_MAX, GATEWAY_BACKOFF_SECONDS_MAX];
  for (const wait of waits) {
    operator.ask().failed(busy(10));
    assert.equal(operator.waitSeconds(), wait);
    world.at += wait * 1_000;
  }
  operator.ask().answered();
  operator.ask().failed(busy(10));
  assert.equal(operator.waitSeconds(), 10, "an answer ends it");
});

Deno.test("what was sent together and refused together counts once", () => {
  const { operator } = watched();
  const all = Array.from({ length: 100 }, () => operator.ask());
  for (const asking of all) asking.failed(busy(10));
  assert.equal(operator.waitSeconds(), 10);
});

Deno.test("an answer to an earlier request takes no rest back, a dropped one lets the next go", () => {
  const { world, operator } = watched();
  const [early, refused] = [operator.ask(), operator.ask()];
  refused.failed(busy(10));
  early.answered();
  assert.equal(operator.mayBeAsked(), false);
  world.at += 10_000;
  operator.ask().dropped();
  assert.ok(operator.mayBeAsked());
});

Deno.test("who sent wrong bytes is not asked again", () => {
  const { world, operator } = watched();
  operator.ask().failed(new KhachapuriError("ipfs_mismatch", "wrong bytes"));
  world.at += 1e9;
  assert.ok(operator.hasLied() && !operator.mayBeAsked());
});
