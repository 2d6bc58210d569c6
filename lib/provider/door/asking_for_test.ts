import assert from "node:assert/strict";
import { requestOf } from "../../../worlds/answers.ts";
import { CID } from "../../../worlds/calls.ts";
import { openRouteWorld, type RouteWorld } from "../../../worlds/routes.ts";
import { KhachapuriError } from "../../errors.ts";
import type { PaymentScheme } from "../money/scheme.ts";
import { askingFor } from "./asking_for.ts";

const BROWSER = { accept: "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8" };
const PAID_ONCE = {
  scheme: "exact",
  network: "eip155:8453",
  amount: "10000",
  asset: "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913",
  payTo: "0x209693Bc6afc0C5328bA36FaF03C514EF312287C",
  maxTimeoutSeconds: 60,
  extra: { name: "USD Coin", version: "2" },
};

async function openUnpaid(): Promise<RouteWorld> {
  const world = await openRouteWorld();
  world.before.admit = () => {
    throw new KhachapuriError("payment_required", "nobody pays");
  };
  const [counting] = world.parts.money.schemes as [PaymentScheme];
  const exact: PaymentScheme = { ...counting, offer: () => PAID_ONCE, read: () => null };
  world.parts.money.schemes = [exact, counting];
  // A path of ours, whichever: several are paid for, too.
  world.parts.health = () => Promise.reject(new KhachapuriError("payment_required", "as here"));
  return world;
}

const asked = (answer: Response) => JSON.parse(atob(answer.headers.get("payment-required")!));
const schemes = ({ accepts }: { accepts: { scheme: string }[] }) =>
  accepts.map(({ scheme }) => scheme);

Deno.test("a call is asked for in every scheme; a path of ours in none that pays one call", async () => {
  using world = await openUnpaid();
  const call = await world.ask(`/${CID}/a`);
  assert.deepEqual(schemes(asked(call)), ["counting", "exact"]);
  assert.deepEqual(schemes(await call.json()), ["exact"]);
  const own = await world.ask("/healthz", { headers: BROWSER });
  assert.equal(own.status, 402);
  assert.deepEqual(schemes(asked(own)), ["counting"]);
  assert.deepEqual(asked(own).resource.url, "https://provider.test/healthz");
  assert.deepEqual(await own.json(), { error: "payment_required", message: "as here" });
});

Deno.test("a person gets a page, with the same header, that leads to the payer's", async () => {
  using world = await openUnpaid();
  const called = `/${CID}/a?b=%20c`;
  const program = await world.ask(called, { headers: { accept: "*/*" } });
  const person = await world.ask(called, { headers: BROWSER });
  assert.equal(person.status, 402);
  assert.deepEqual(asked(person), asked(program));
  assert.equal(person.headers.get("content-type"), "text/html; charset=utf-8");
  assert.equal(program.headers.get("content-type"), "application/json");
  for (const { headers } of [person, program]) assert.equal(headers.get("vary"), "accept");
  assert.ok((await person.text()).includes(`href="/pay?call=${encodeURIComponent(called)}"`));
});

Deno.test("from a deployment's own host the payer's page is the provider's", async () => {
  using world = await openUnpaid();
  const answer = await world.ask(`https://${CID}.provider.test/a?b`, { headers: BROWSER });
  const call = encodeURIComponent(`/${CID}/a?b`);
  assert.equal(asked(answer).resource.url, `https://${CID}.provider.test/a?b`);
  assert.ok((await answer.text()).includes(`href="https://provider.test/pay?call=${call}"`));
});

Deno.test("called by a domain of its own, a deployment is named to our command line by its cid", async () => {
  using world = await openUnpaid();
  const url = new URL("https://www.example.com/a?b");
  const request = requestOf(url, { headers: BROWSER });
  const target = { form: "domain", cid: CID, path: "/a" } as const;
  const { resource, page } = askingFor(world.parts, target, request);
  assert.equal(resource.url, url.href);
  assert.equal(page?.called, `provider.test/${CID}/a?b`);
  assert.ok(page?.payUrl.startsWith("https://provider.test/pay?"));
});

Deno.test("what is not about payment stays JSON to a browser", async () => {
  using world = await openUnpaid();
  const answer = await world.ask("/bafynope", { headers: BROWSER });
  assert.deepEqual([answer.status, (await answer.json()).error], [400, "invalid_cid"]);
});
