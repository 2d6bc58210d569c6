import assert from "node:assert/strict";
import { type ErrorCode, KhachapuriError } from "../errors.ts";
import { nameLeaves } from "./name_left.ts";

const [OLD, NEW] = [
  "bafkreidemmqlmqdpqk7lsdyloixljwge6aoivo3oyizzs4v37wdssmmwtm",
  "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy",
] as const;

/** A provider that says so of a name, one after the other, and the last from then on. */
function startSaying(...answers: (string | ErrorCode)[]) {
  const asked: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, ({ url }) => {
    const said = answers[Math.min(asked.push(new URL(url).pathname), answers.length) - 1]!;
    if (said === OLD || said === NEW) return Response.json({ kind: "ens", cid: said });
    const error = new KhachapuriError(said as ErrorCode, "no");
    return Response.json(error.toJSON(), { status: error.status });
  });
  const url = `http://127.0.0.1:${server.addr.port}`;
  return { url, asked, [Symbol.asyncDispose]: () => server.shutdown() };
}

/** Time goes on by waiting alone. */
function clock() {
  let at = 0;
  const wait = (ms: number) => {
    at += ms;
    return Promise.resolve();
  };
  return { now: () => at, wait };
}

const leaves = (url: string) => nameLeaves(url, "blog.eth", new Set([OLD]), clock());

Deno.test("a name that was moved is waited for until its provider knows of it", async () => {
  await using provider = startSaying(OLD, "rate_limited", "name_unavailable", OLD, NEW);
  assert.equal(await leaves(provider.url), true);
  assert.deepEqual(provider.asked, Array(5).fill("/names/blog.eth"));
});

Deno.test("a name that leads nowhere leads to nothing old", async () => {
  await using provider = startSaying("not_found");
  assert.equal(await leaves(provider.url), true);
});

Deno.test("a name that stays where it was is given up", async () => {
  await using provider = startSaying(OLD);
  assert.equal(await leaves(provider.url), false);
  assert.ok(provider.asked.length > 100, "not before an answer of a minute is old");
});

Deno.test("a provider that can't say is no reason to go on", async () => {
  await using provider = startSaying(OLD, "internal");
  await assert.rejects(leaves(provider.url), { code: "internal" });
});
