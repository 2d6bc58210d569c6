import assert from "node:assert/strict";
import { hearLog } from "../../../worlds/heard_log.ts";
import { makeFolder } from "../../../worlds/home.ts";
import { manualClock } from "../../../worlds/clock.ts";
import { CertificateKeeper, type KeeperOptions } from "./keeper.ts";
import { TlsFolder } from "./tls_folder.ts";

/** A keeper whose CA answers so. */
async function open(dir: string, answer: (url: string) => Response | Promise<Response>) {
  const { log } = hearLog();
  const clock = manualClock();
  const asked: string[] = [];
  const options: KeeperOptions = {
    folder: await TlsFolder.open(dir, log),
    names: ["a.example"],
    acme: {},
    eab: null,
    directory: "https://ca.example/directory",
    rehearsal: null,
    wish: "w",
    challengeOf: () => "http-01",
    challengers: {},
    alpn: { isChallenged: () => false, challengePair: () => null },
    prepare: () => Promise.resolve(),
    fetch: ((url: URL) => {
      asked.push(String(url));
      return Promise.resolve(answer(String(url)));
    }) as unknown as typeof fetch,
    chance: () => 0,
    clock,
    log,
  };
  return { keeper: await CertificateKeeper.open(options), clock, asked, options };
}

const limited = () =>
  new Response(
    JSON.stringify({ type: "urn:ietf:params:acme:error:rateLimited", detail: "too many" }),
    { status: 429, headers: { "content-type": "application/problem+json", "retry-after": "7200" } },
  );

Deno.test("a CA that wants to be left alone is, also by a person", async () => {
  await using folder = await makeFolder();
  const { keeper, clock, asked } = await open(folder.dir, limited);
  await assert.rejects(keeper.renewNow(), { message: /too many \(rateLimited\)/ });
  assert.equal(keeper.report().nextAt, clock.now() + 7_200_000);
  const before = asked.length;
  await assert.rejects(keeper.renewNow(), { code: "rate_limited" });
  const again = await open(folder.dir, limited);
  await assert.rejects(again.keeper.renewNow(), { code: "rate_limited" });
  assert.equal(asked.length + again.asked.length, before);
});

Deno.test("what no CA would say is a failure, and the next is later", async () => {
  await using folder = await makeFolder();
  const answers: (() => Response | Promise<Response>)[] = [
    () => new Response("<html>hello</html>"),
    () => new Response("{}", { headers: { "content-type": "application/json" } }),
    () => new Response("{", { headers: { "content-type": "application/json" } }),
    () => new Response("[1]", { headers: { "content-type": "application/json" } }),
    () => Promise.reject(new TypeError("connection refused")),
  ];
  for (const [failures, answer] of answers.entries()) {
    const { keeper, clock } = await open(folder.dir, answer);
    await assert.rejects(keeper.renewNow(), { code: "no_certificate" });
    const { nextAt, failures: counted } = keeper.report();
    assert.equal(counted, failures + 1);
    assert.equal(nextAt - clock.now(), 120_000 * 2 ** failures);
  }
});

Deno.test("of two processes one orders", async () => {
  await using folder = await makeFolder();
  const { promise: held, resolve: go } = Promise.withResolvers<Response>();
  const first = await open(folder.dir, () => held);
  const second = await open(folder.dir, limited);
  const ordering = first.keeper.renewNow().catch(() => {});
  while (first.asked.length === 0) await second.options.folder.stamp();
  await second.keeper.renewNow();
  assert.equal(second.asked.length, 0);
  go(limited());
  await ordering;
});
