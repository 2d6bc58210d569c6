import assert from "node:assert/strict";
import type { CidText } from "../../cid.ts";
import { LOG_FOLLOWERS_EACH_MAX, LOG_FOLLOWERS_MAX } from "../../limits.ts";
import { LogFollowers } from "./log_followers.ts";

const [A, B] = ["a", "b"] as [CidText, CidText];
const LONG_MS = 3_600_000;

Deno.test("a run wakes those who follow its deployment, and nobody else", async () => {
  const followers = new LogFollowers();
  const [first, second, other] = [A, A, B].map((cid) => followers.follow(cid, LONG_MS)!);
  followers.wake(A);
  await Promise.all([first!.ended, second!.ended]);
  assert.deepEqual([followers.isFollowed(A), followers.isFollowed(B)], [false, true]);
  other!.leave();
  await other!.ended;
  other!.leave();
  assert.equal(followers.isFollowed(B), false);
});

Deno.test("who has waited for long waits no more", async () => {
  await new LogFollowers().follow(A, 1)!.ended;
});

Deno.test("a deployment has so many followers, all have so many, and places come back", () => {
  const followers = new LogFollowers();
  const own = Array.from({ length: LOG_FOLLOWERS_EACH_MAX }, () => followers.follow(A, LONG_MS)!);
  assert.equal(followers.follow(A, LONG_MS), null);
  own[0]!.leave();
  assert.notEqual(followers.follow(A, LONG_MS), null);
  for (let taken = LOG_FOLLOWERS_EACH_MAX; taken < LOG_FOLLOWERS_MAX; taken++) {
    assert.notEqual(followers.follow(`c${taken}` as CidText, LONG_MS), null);
  }
  assert.equal(followers.follow(B, LONG_MS), null);
  followers.wake(A);
  assert.notEqual(followers.follow(B, LONG_MS), null);
  followers.close();
});

Deno.test("a provider that shuts down keeps nobody waiting", async () => {
  const followers = new LogFollowers();
  const follower = followers.follow(A, LONG_MS)!;
  followers.close();
  await follower.ended;
  assert.equal(followers.follow(A, LONG_MS), null);
});
