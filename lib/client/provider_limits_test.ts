import assert from "node:assert/strict";
import { KhachapuriError } from "../errors.ts";
import {
  assertMayCall,
  assertMayTake,
  assertTakesServers,
  fetchOffer,
  instanceFaults,
  limitFaults,
} from "./provider_limits.ts";

const page = (body: unknown) => () => Promise.resolve(Response.json(body));

Deno.test("a provider's front page says what a run gets", async () => {
  const limits = { timeoutMs: 15_000, memoryMb: 512, requestBytes: 1 };
  for (const machine of [undefined, "aarch64"]) {
    const fetch = page({ name: "p", machine, limits });
    const offer = await fetchOffer("https://p.example", { fetch });
    assert.deepEqual([offer.limits.timeoutMs, offer.limits.memoryMb], [15_000, 512]);
    assert.equal(offer.limits.credits, 1, "older providers know of no more");
    assert.equal(offer.machine, machine ?? null);
  }
});

Deno.test("a page without limits is no provider's", async () => {
  const asked = fetchOffer("https://p.example", { fetch: page({ hello: 1 }) });
  await assert.rejects(asked, { code: "provider_unavailable" });
});

Deno.test("what is asked for beyond the limits is named", () => {
  const given = { timeoutMs: 15_000, memoryMb: 512, credits: 40 };
  assert.deepEqual(limitFaults(given, given), []);
  assert.deepEqual(limitFaults({ timeoutMs: 99_000, memoryMb: 1_024, credits: 1 }, given), [
    "ends a run after 15 s, not 99 s",
    "gives a run 512 MiB, not 1024 MiB",
  ]);
  assert.deepEqual(limitFaults({ timeoutMs: 99_000, memoryMb: 512, credits: 41 }, given), [
    "takes the next credit of a run after 15 s, not 99 s",
    "gives a run 40 credits, not 41",
  ]);
});

Deno.test("more than one credit a run is asked of no provider that gives only one", () => {
  const limits = { timeoutMs: 15_000, memoryMb: 512 };
  const [one, many] = [{ ...limits, credits: 1 }, { ...limits, credits: 40 }];
  assertMayTake("p.eth", one, one);
  assertMayTake("p.eth", { ...limits, credits: 41 }, many);
  const message = "p.eth gives a run one credit only";
  assert.throws(() => assertMayTake("p.eth", many, one), { code: "invalid_input", message });
});

Deno.test("what programs may call stands on the page, and is nothing where it does not", async () => {
  const limits = { timeoutMs: 15_000, memoryMb: 512 };
  const hostsOn = async (egress?: unknown) =>
    (await fetchOffer("https://p.example", { fetch: page({ limits, egress }) })).egressHosts;
  assert.deepEqual(await hostsOn(), []);
  assert.deepEqual(await hostsOn({ hosts: ["*:443"], connections: 64 }), ["*:443"]);
  for (const egress of [{}, { hosts: "*:443" }, { hosts: ["everything"] }]) {
    await assert.rejects(hostsOn(egress), { code: "provider_unavailable" });
  }
});

Deno.test("a host that the provider lets no program call is refused by its name", () => {
  assertMayCall("paolo.eth", [], []);
  assertMayCall("paolo.eth", ["api.example.com:443", "*.example.org:443"], ["*:443"]);
  const refusal = (hosts: string[], allowed: string[]) => {
    try {
      assertMayCall("paolo.eth", hosts, allowed);
    } catch (error) {
      assert.ok(error instanceof KhachapuriError && error.code === "invalid_input");
      return [error.shortMessage, ...error.hints];
    }
    assert.fail("it was let through");
  };
  const hint = "deploy without that --egress, or to another provider";
  assert.deepEqual(refusal(["a.test:443", "db.test:5432", "b.test:80"], ["*:443", "*.a.test:*"]), [
    "paolo.eth lets no program call db.test:5432, b.test:80",
    "it allows *:443, *.a.test:*",
    hint,
  ]);
  assert.deepEqual(refusal(["a.test:443"], []), [
    "paolo.eth lets no program call a.test:443",
    "they have no network",
    hint,
  ]);
});

Deno.test("a provider says how many instances of servers it has, and an older one has none", async () => {
  const limits = { timeoutMs: 15_000, memoryMb: 512 };
  const instancesOn = async (servers?: unknown) =>
    (await fetchOffer("https://p.example", { fetch: page({ limits, servers }) })).instances;
  assert.equal(await instancesOn(), 0);
  assert.equal(await instancesOn({ instances: 16, idleSeconds: 60 }), 16);
  for (const servers of [{}, { instances: "16" }, { instances: -1 }]) {
    await assert.rejects(instancesOn(servers), { code: "provider_unavailable" });
  }
});

Deno.test("a server is asked of no provider that takes none, and its instances as far as they go", () => {
  assertTakesServers("p.eth", 1);
  const message = "p.eth takes no programs that are servers";
  assert.throws(() => assertTakesServers("p.eth", 0), { code: "invalid_input", message });
  const three = { interface: "http", server: { instances: 3 } } as const;
  assert.deepEqual(instanceFaults(three, 3), []);
  assert.deepEqual(instanceFaults(three, 2), ["runs 2 instances of all servers, not 3"]);
  assert.deepEqual(instanceFaults({ interface: "http" }, 3), [
    "runs 3 instances of all servers, not 4",
  ]);
  assert.deepEqual(instanceFaults({ interface: "curl" }, 0), []);
});

Deno.test("a provider's front page says what programs find, and an older one does not", async () => {
  const limits = { timeoutMs: 15_000, memoryMb: 512 };
  const of = async (said: object) =>
    (await fetchOffer("https://p.example", { fetch: page({ limits, ...said }) })).runtimes;
  const python = { name: "python3", version: "3.11.2", path: "/usr/bin/python3" };
  const told = { runtimes: [python], runtimesLacking: ["ruby"] };
  assert.deepEqual(await of(told), {
    found: [{ ...python, kind: "interpreter" }],
    lacking: ["ruby"],
  });
  assert.equal(await of({}), null);
  const asked: string[] = [];
  const answer = page({ limits, runtimeFound: false });
  const fetch = ((url: string) => (asked.push(url), answer())) as typeof globalThis.fetch;
  const offer = await fetchOffer("https://p.example", { fetch, interpreter: "/usr/bin/a b" });
  assert.deepEqual(asked, ["https://p.example/?runtime=%2Fusr%2Fbin%2Fa%20b"]);
  assert.equal(offer.runtimeFound, false);
  const escape = { ...python, name: "\x1b[2Jpython3" };
  await assert.rejects(of({ runtimes: [escape] }), { code: "provider_unavailable" });
});
