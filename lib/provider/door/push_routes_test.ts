import assert from "node:assert/strict";
import { NOW } from "../../../worlds/calls.ts";
import {
  assertRefused,
  openRouteWorld,
  OWNER,
  type RouteWorld,
  SELLER,
} from "../../../worlds/routes.ts";
import { KhachapuriError } from "../../errors.ts";
import { PUSH_CAR_BYTES_MAX } from "../../limits_of_content.ts";
import { type Push, pushAuthorization, signPush, type UnsignedPush } from "../../spec/push.ts";
import type { Receipt, Upload } from "../content/ingest.ts";

const ROOT = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
const CAR_TYPE = "application/vnd.ipld.car";
const BODY = new Uint8Array(10);

async function headers(changes: Partial<UnsignedPush> = {}): Promise<Record<string, string>> {
  const push = await signPush(OWNER, {
    provider: SELLER.provider,
    chainId: SELLER.chainId,
    escrow: SELLER.escrow,
    root: ROOT,
    bytes: 10n,
    expires: BigInt(NOW / 1_000) + 60n,
    nonce: `0x${"ab".repeat(32)}`,
    ...changes,
  });
  return { authorization: pushAuthorization(push), "content-type": CAR_TYPE };
}

/** Has pushes taken, or refused with what `refuse` says. */
function taking(world: RouteWorld, isNew = true) {
  const taken: [Push, Upload][] = [];
  const receipt = (push: Push): Receipt => ({
    root: push.root,
    bytes: Number(push.bytes),
    keptUntil: 2_000_000_000n,
    quota: { used: 4_096, allowed: 8_192 },
    isNew,
  });
  world.parts.content.ingest = {
    take(push, upload) {
      taken.push([push, upload]);
      return Promise.resolve(receipt(push));
    },
    offset: () => Promise.resolve(7),
  };
  return taken;
}

const post = (world: RouteWorld, headers: Record<string, string>, body: BodyInit | null = BODY) =>
  world.ask("/ipfs", { method: "POST", headers, body });

Deno.test("a signed push is taken as it is sent, and its answer says how long it stays", async () => {
  using world = await openRouteWorld();
  const taken = taking(world);
  const sent = { ...await headers(), "upload-offset": "3", "content-length": "7" };
  const response = await post(world, sent);
  assert.equal(response.status, 201);
  assert.deepEqual(await response.json(), {
    root: ROOT,
    bytes: 10,
    keptUntil: "2033-05-18T03:33:20Z",
    quota: { used: 4_096, allowed: 8_192 },
  });
  const [[push, { offset, bodyBytes, from }]] = taken as [[Push, Upload]];
  assert.deepEqual([push.owner, offset, bodyBytes, from], [OWNER.address, 3, 7, "192.0.2.7"]);
  taking(world, false);
  assert.equal((await post(world, await headers())).status, 200, "it was here already");
});

Deno.test("how much is here is told to whoever would push it", async () => {
  using world = await openRouteWorld();
  taking(world);
  const response = await world.ask("/ipfs", { method: "HEAD", headers: await headers() });
  assert.deepEqual([response.status, response.headers.get("upload-offset")], [200, "7"]);
  const unsigned = await world.ask("/ipfs", { method: "HEAD" });
  assert.equal(unsigned.status, 403);
});

Deno.test("what is not the owner's word for this provider is refused, and its body not looked at", async () => {
  using world = await openRouteWorld();
  const taken = taking(world);
  const now = BigInt(NOW / 1_000);
  const elsewhere = [
    { chainId: 1 },
    { provider: OWNER.address },
    { escrow: OWNER.address },
    { expires: now - 1n },
    { expires: now + 301n },
  ];
  for (const changes of elsewhere) {
    await assertRefused(post(world, await headers(changes)), 403, "invalid_signature");
  }
  await assertRefused(post(world, { "content-type": CAR_TYPE }), 403, "invalid_signature");
  const malformed = { authorization: "Khachapuri e30", "content-type": CAR_TYPE };
  await assertRefused(post(world, malformed), 400, "invalid_input");
  assert.equal(taken.length, 0);
});

Deno.test("only a CAR as it is is taken, from a whole number on", async () => {
  using world = await openRouteWorld();
  const taken = taking(world);
  const good = await headers();
  for (
    const changes of [
      { "content-type": "application/json" },
      { "content-encoding": "gzip" },
      { "upload-offset": "-1" },
      { "upload-offset": "01" },
    ]
  ) {
    await assertRefused(post(world, { ...good, ...changes }), 400, "invalid_input");
  }
  assert.equal(taken.length, 0);
  assert.equal(
    (await post(world, { ...good, "content-type": `${CAR_TYPE}; version=1` })).status,
    201,
  );
});

Deno.test("its size is bounded by what is kept, not by what calls may send", async () => {
  using world = await openRouteWorld();
  world.parts.gate.requestBytes = 5;
  taking(world);
  assert.equal((await post(world, await headers())).status, 201);
  const large = { ...await headers(), "content-length": String(PUSH_CAR_BYTES_MAX + 1) };
  await assertRefused(post(world, large), 413, "body_too_large");
});

Deno.test("a network is admitted before a signature is looked at, an owner behind it", async () => {
  using world = await openRouteWorld();
  const taken = taking(world);
  const seen: string[] = [];
  const tooMany = new KhachapuriError("rate_limited", "too many pushes", { retryAfterSeconds: 9 });
  let full = "owner";
  const admit = (who: "network" | "owner") => (name: string) => {
    seen.push(name);
    if (who === full) throw tooMany;
  };
  world.parts.content.pushes = { admitNetwork: admit("network"), admitOwner: admit("owner") };
  await assertRefused(post(world, { "content-type": CAR_TYPE }), 403, "invalid_signature");
  const refused = await post(world, await headers());
  assert.deepEqual([refused.status, refused.headers.get("retry-after")], [429, "9"]);
  assert.deepEqual(seen, ["192.0.2.7", "192.0.2.7", OWNER.address]);
  full = "network";
  await assertRefused(post(world, { "content-type": CAR_TYPE }), 429, "rate_limited");
  assert.equal((await world.ask("/ipfs", { method: "HEAD" })).status, 429);
  assert.equal(taken.length, 0);
});

Deno.test("pages of other origins may push, and go on", async () => {
  using world = await openRouteWorld();
  for (const method of ["POST", "HEAD"]) {
    const response = await world.ask("/ipfs", {
      method: "OPTIONS",
      headers: {
        origin: "https://page.example",
        "access-control-request-method": method,
        "access-control-request-headers": "authorization,content-type,upload-offset",
      },
    });
    assert.equal(response.headers.get("access-control-allow-methods"), method);
    const allowed = response.headers.get("access-control-allow-headers")!.toLowerCase().split(", ");
    for (const name of ["authorization", "content-type", "upload-offset"]) {
      assert.ok(allowed.includes(name), name);
    }
  }
});

Deno.test("a provider that keeps nothing says so, and one that refuses says why", async () => {
  using world = await openRouteWorld();
  await assertRefused(post(world, await headers()), 404, "not_found");
  taking(world);
  const refuse = () => Promise.reject(new KhachapuriError("payment_required", "nothing allowed"));
  world.parts.content.ingest = { take: refuse, offset: refuse };
  await assertRefused(post(world, await headers()), 402, "payment_required");
});
