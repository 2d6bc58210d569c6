import assert from "node:assert/strict";
import { KhachapuriError } from "../../errors.ts";
import { linesOver } from "../control/lines.ts";
import { type Service, type Services, type Talk, talkOver } from "./talk.ts";

async function pair(one: Services, other: Services, use: (talks: [Talk, Talk]) => Promise<void>) {
  const dir = await Deno.makeTempDir({ dir: "/tmp" });
  const path = `${dir}/talk`;
  using listener = Deno.listen({ transport: "unix", path });
  const [a, b] = await Promise.all([
    listener.accept(),
    Deno.connect({ transport: "unix", path }),
  ]);
  const talks: [Talk, Talk] = [talkOver(linesOver(a), one), talkOver(linesOver(b), other)];
  await use(talks).finally(async () => {
    for (const talk of talks) talk.close();
    await Promise.all(talks.map(({ ended }) => ended));
    await Deno.remove(dir, { recursive: true });
  });
}

const nobody: Services = () => undefined;

Deno.test("both ends ask each other, many things at a time, and amounts stay amounts", () => {
  const slow = Promise.withResolvers<bigint>();
  const services: Services = (name) =>
    ({
      double: (amount: bigint) => amount * 2n,
      wait: () => slow.promise,
    } as Record<string, Service>)[name];
  return pair(services, services, async ([one, other]) => {
    const waiting = one.ask("wait");
    assert.equal(await one.ask("double", 21n), 42n);
    assert.equal(await other.ask("double", 2n), 4n);
    slow.resolve(7n);
    assert.equal(await waiting, 7n);
    await one.settled();
  });
});

Deno.test("what the other end fails with is what the asker fails with", () => {
  const services: Services = () => () => {
    throw new KhachapuriError("rate_limited", "too fast", {
      hints: ["wait"],
      retryAfterSeconds: 3,
      data: { reason: "x" },
    });
  };
  return pair(services, nobody, async ([one, other]) => {
    await assert.rejects(other.ask("any"), {
      code: "rate_limited",
      shortMessage: "too fast",
      hints: ["wait"],
      retryAfterSeconds: 3,
      data: { reason: "x" },
    });
    await assert.rejects(one.ask("any"), { code: "not_implemented" });
  });
});

Deno.test("when the connection ends, nobody waits any more", () =>
  pair(() => () => new Promise(() => {}), nobody, async ([one, other]) => {
    const waiting = assert.rejects(other.ask("for ever"), { code: "provider_unavailable" });
    one.close();
    await other.ended;
    await waiting;
    await other.settled();
    await assert.rejects(other.ask("again"), { code: "provider_unavailable" });
    other.tell("nobody");
  }));
