import assert from "node:assert/strict";
import { getAddress } from "viem";
import { CID } from "../../../worlds/calls.ts";
import { assertRefused, openRouteWorld, OWNER } from "../../../worlds/routes.ts";
import { silentLog } from "../../log.ts";
import type { ControlHandler } from "../control/control_server.ts";
import { DenialBook } from "../denial/denial_book.ts";
import { Denials } from "../denial/denials.ts";
import type { Deployment } from "../deployment/deployment.ts";
import { takeDenials } from "./denials.ts";

const OTHER = getAddress(`0x${"22".repeat(20)}`);
const WISH = { reason: "phishing", note: null, until: null };

function openDesk() {
  const verbs = new Map<string, ControlHandler>();
  const expelled: ((deployment: Deployment) => boolean)[] = [];
  const denials = new Denials({ book: DenialBook.open(":memory:"), now: () => 1_000 });
  takeDenials({ on: (verb, handler) => void verbs.set(verb, handler) }, {
    denials,
    sandboxes: {
      expel: (isMeant) => {
        expelled.push(isMeant);
        return Promise.resolve();
      },
    },
    log: silentLog,
    now: () => 1_000,
  });
  const ask = (verb: string, body: unknown) => verbs.get(verb)!(body, null!);
  return { denials, expelled, ask };
}

const deployment = (cid: string, owner: string) => ({ cid, spec: { owner } }) as Deployment;

Deno.test("a denial by command is in force at once, and ends what runs of its subject", async () => {
  const { ask, denials, expelled } = openDesk();
  const told = await ask("deny", { ...WISH, kind: "owner", what: OWNER.address });
  assert.partialDeepStrictEqual(told, { id: 1, state: "in force", what: OWNER.address });
  assert.throws(() => denials.assertOwner(OWNER.address), { code: "denied" });
  const [isOwners] = expelled;
  assert.ok(isOwners!(deployment(CID, OWNER.address)));
  assert.ok(!isOwners!(deployment(CID, OTHER)));
  await ask("deny", { ...WISH, kind: "deployment", what: CID });
  assert.ok(expelled[1]!(deployment(CID, OTHER)));
  assert.ok(!expelled[1]!(deployment("other", OWNER.address)));
  await ask("deny", { ...WISH, kind: "payer", what: OTHER });
  assert.ok(!expelled[2]!(deployment(CID, OTHER)), "a payer's run is another's program");
  assert.partialDeepStrictEqual(await ask("lift", { id: 1 }), { id: 1, state: "lifted" });
  denials.assertOwner(OWNER.address);
});

Deno.test("a command that says no denial is refused, and nothing changes", async () => {
  const { ask, denials } = openDesk();
  await assert.rejects(ask("deny", null), { code: "invalid_input" });
  await assert.rejects(ask("deny", { ...WISH, kind: "owner", what: "me" }), {
    code: "invalid_input",
  });
  await assert.rejects(ask("lift", { id: "1" }), { code: "invalid_input" });
  await assert.rejects(ask("lift", { id: 1 }), { code: "not_found" });
  assert.deepEqual(denials.all(), []);
});

Deno.test("a denied network is refused on every path but the way out, before a body is read", async () => {
  using world = await openRouteWorld();
  const { denials } = world.parts;
  world.parts.gate.welcome = denials;
  denials.deny({ ...WISH, kind: "network", what: "192.0.2.0/24" });
  for (const path of ["/", "/healthz", "/logs", "/ipfs", `/${CID}`]) {
    const method = path === "/logs" || path === "/ipfs" ? "POST" : "GET";
    const body = () =>
      new ReadableStream({ pull: () => assert.fail("its body was read") }, { highWaterMark: 0 });
    const asked = { method, ...(method === "POST" ? { body: body() } : {}) };
    await assertRefused(world.ask(path, asked), 403, "denied");
  }
  assert.equal((await world.ask("/relay")).status, 200);
});

Deno.test("the way out of a denied network leads to no deployment that has a path of that name", async () => {
  using world = await openRouteWorld();
  const { denials } = world.parts;
  world.parts.gate.welcome = denials;
  denials.deny({ ...WISH, kind: "network", what: "192.0.2.0/24" });
  await assertRefused(world.ask(`https://${CID}.provider.test/relay`), 403, "denied");
  assert.deepEqual(world.endings(), []);
});

Deno.test("a denial is told before payment is asked, and a payer's before it is proven", async () => {
  using world = await openRouteWorld();
  const { denials } = world.parts;
  world.parts.gate.welcome = denials;
  world.before.admit = () => assert.fail("money was asked for");
  denials.deny({ ...WISH, kind: "payer", what: OWNER.address });
  await assertRefused(world.ask(`/${CID}`), 403, "denied");
  assert.deepEqual(world.endings(), []);
  await assertRefused(
    world.post("/onboard", { payer: OWNER.address, deposit: {} }),
    403,
    "denied",
  );
});
