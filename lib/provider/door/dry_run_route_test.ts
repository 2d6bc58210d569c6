import assert from "node:assert/strict";
import { CID, NOW } from "../../../worlds/calls.ts";
import {
  assertRefused,
  openRouteWorld,
  OWNER,
  type Person,
  type RouteWorld,
  SELLER,
  STRANGER,
} from "../../../worlds/routes.ts";
import { KhachapuriError } from "../../errors.ts";
import { OWNER_REQUEST_SECONDS, signOwnerRequest } from "../../spec/owner_request.ts";

const HERE = { provider: SELLER.provider, chainId: SELLER.chainId, escrow: SELLER.escrow };
const SOON = BigInt(NOW / 1_000) + OWNER_REQUEST_SECONDS;

async function dryRun(world: RouteWorld, person: Person = OWNER, subject: string = CID) {
  const question = { action: "dry-run" as const, subject, ...HERE, expires: SOON };
  return await world.post("/dry-run", await signOwnerRequest(person, question));
}

Deno.test("all is done that a call does before it costs anything, and nothing that costs", async () => {
  using world = await openRouteWorld();
  const stages: string[] = [];
  for (const stage of ["deployment", "acquire", "slot", "hold", "run"] as const) {
    world.before[stage] = () => void stages.push(stage);
  }
  const response = await dryRun(world);
  const { ms, ...told } = await response.json();
  assert.equal(response.status, 200);
  assert.deepEqual(told, {
    cid: CID,
    price: "1000",
    creditsLeft: "50",
    payable: null,
    warnings: ["50 credits are left: allow more in time"],
  });
  assert.ok(ms >= 0);
  assert.deepEqual(stages, ["deployment", "acquire"]);
  assert.deepEqual(world.asked, [`use ${CID}`]);
  await world.assertNothingTaken();
});

Deno.test("what a caller is refused with is the answer, in the same words", async () => {
  const refusals = [
    new KhachapuriError("misdirected", "named another", { hints: ["ask there"] }),
    new KhachapuriError("invalid_program", "no main", { hints: ["owner: mend it"] }),
    new KhachapuriError("overloaded", "too many", { retryAfterSeconds: 2 }),
  ];
  for (const [index, stage] of (["deployment", "acquire", "acquire"] as const).entries()) {
    using world = await openRouteWorld();
    world.before[stage] = () => Promise.reject(refusals[index]);
    const [tried, called] = [await dryRun(world), await world.ask(`/${CID}`)];
    assert.equal(tried.status, called.status);
    assert.deepEqual(await tried.json(), await called.json());
    assert.equal(tried.headers.get("retry-after"), called.headers.get("retry-after"));
    await world.assertNothingTaken();
  }
});

Deno.test("an owner that cannot pay is told so before its program is fetched", async () => {
  using world = await openRouteWorld();
  world.before.acquire = () => assert.fail("it was fetched");
  world.parts.money.ownerPayment = {
    judge: () => Promise.reject(new KhachapuriError("payment_required", "no credits are left")),
  };
  const response = await dryRun(world);
  const { error, creditsMax } = await response.json();
  assert.deepEqual([response.status, error, creditsMax], [402, "payment_required", 1]);
});

Deno.test("where callers pay nobody's money is judged, and a stranger's program is not fetched", async () => {
  using world = await openRouteWorld({ spec: { access: "payer" } });
  world.parts.money.ownerPayment = { judge: () => assert.fail("it was judged") };
  const told = await (await dryRun(world)).json();
  assert.deepEqual([told.price, told.creditsLeft, told.warnings], [null, null, []]);
  world.parts.content.allowed = () => Promise.resolve(0n);
  world.before.acquire = () => assert.fail("it was fetched");
  const { warnings } = await (await dryRun(world)).json();
  assert.match(warnings.join(), /was not opened/);
});

Deno.test("it is for the owner alone, and not without end", async () => {
  using world = await openRouteWorld();
  await assertRefused(dryRun(world, STRANGER), 404, "not_found");
  const question = { action: "logs" as const, subject: CID, ...HERE, expires: SOON };
  const other = world.post("/dry-run", await signOwnerRequest(OWNER, question));
  await assertRefused(other, 403, "invalid_signature");
  const tooMany = () => {
    throw new KhachapuriError("rate_limited", "too many dry runs");
  };
  world.parts.content.dryRuns = { admitNetwork() {}, admitOwner: tooMany };
  await assertRefused(dryRun(world), 429, "rate_limited");
  await assertRefused(
    world.post("/dry-run", await signOwnerRequest(OWNER, question)),
    403,
    "invalid_signature",
  );
  world.parts.content.dryRuns = { admitNetwork: tooMany, admitOwner() {} };
  await assertRefused(world.post("/dry-run", "not even read"), 429, "rate_limited");
});
