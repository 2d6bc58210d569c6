import assert from "node:assert/strict";
import { hasKnot, startKnot } from "../../../worlds/acme/knot.ts";
import { freePort } from "../../../worlds/free_port.ts";
import { manualClock } from "../../../worlds/clock.ts";
import { untilSpread } from "./dns_spread.ts";
import { changeTxt, type UpdateOptions, zoneOf } from "./dns_update.ts";
import { setClock } from "../../../worlds/acme/kept_certificate.ts";

const ignore = !await hasKnot();
const { signal } = new AbortController();
const NAME = "_acme-challenge.www.provider.test";

Deno.test(
  { ignore, name: "several texts of a name are added and removed, one by one" },
  async () => {
    await using knot = await startKnot("provider.test");
    const { server } = knot;
    const options: UpdateOptions = {
      server,
      key: { ...knot.key, secret: Uint8Array.fromBase64(knot.key.secret) },
      zone: undefined,
      now: Date.now,
    };
    assert.equal(await zoneOf(server, NAME, signal), "provider.test");
    const clock = setClock();
    const said = (texts: string[], timeoutMs = 0) =>
      untilSpread([server], { name: NAME, texts }, { clock, signal, timeoutMs });
    for (const text of ["one", "two"]) {
      await changeTxt(options, "add", { name: NAME, text }, signal);
    }
    await said(["one", "two"]);
    await changeTxt(options, "remove", { name: NAME, text: "one" }, signal);
    await said(["two"]);
    await assert.rejects(said(["one"]), { message: /is not said by 127\.0\.0\.1:/ });
  },
);

Deno.test({ ignore, name: "a server that does not take a change says why" }, async () => {
  await using knot = await startKnot("provider.test");
  const secret = Uint8Array.fromBase64(knot.key.secret);
  const right: UpdateOptions = {
    server: knot.server,
    key: { ...knot.key, secret },
    zone: undefined,
    now: Date.now,
  };
  const change = (options: Partial<UpdateOptions>, name = NAME) =>
    changeTxt({ ...right, ...options }, "add", { name, text: "x" }, signal);
  const cases: [() => Promise<void>, RegExp][] = [
    [() => change({ key: { ...right.key, secret: new Uint8Array(32) } }), /another secret.*BADSIG/],
    [() => change({ key: { ...right.key, name: "theirs" } }), /no key of this name.*BADKEY/],
    [
      () => change({ now: () => Date.now() - 3_600_000 }),
      /clock is another one than ours.*BADTIME/,
    ],
    [() => change({}, "_acme-challenge.elsewhere.test"), /knows no zone of _acme/],
    [() => change({ zone: "elsewhere.test" }), /NOTAUTH|REFUSED/],
    [
      () => change({ server: { address: "127.0.0.1", port: freePort() } }),
      /no answer from the name serv/,
    ],
  ];
  for (const [work, message] of cases) {
    await assert.rejects(work(), { code: "no_certificate", message });
  }
});

Deno.test("records that never come are waited for no longer than it takes", async () => {
  const clock = manualClock();
  const name = NAME;
  const servers = [{ address: "127.0.0.1", port: freePort() }];
  const waiting = untilSpread(servers, { name, texts: ["x"] }, { clock, signal, timeoutMs: 2_000 });
  const moving = setInterval(() => clock.advance(2_000), 5);
  await assert.rejects(waiting, { message: /is not said by 127\.0\.0\.1:/ });
  clearInterval(moving);
});
