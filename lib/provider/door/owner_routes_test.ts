import assert from "node:assert/strict";
import { turn } from "../../../worlds/turns.ts";
import type { CidText } from "../../cid.ts";
import type { LoggedRun, RunLogPage } from "../deployment/run_log.ts";
import type { InstanceState, InstanceView } from "../server/life.ts";
import { CID, NOW } from "../../../worlds/calls.ts";
import {
  assertRefused,
  openRouteWorld,
  OPERATOR,
  OWNER,
  type Person,
  PROVIDER,
  type RouteWorld,
  SELLER,
  STRANGER,
} from "../../../worlds/routes.ts";
import { KhachapuriError } from "../../errors.ts";
import { CONTROL_BODY_BYTES_MAX } from "../../limits.ts";
import {
  OWNER_REQUEST_SECONDS,
  type OwnerQuestion,
  signOwnerRequest,
} from "../../spec/owner_request.ts";
import { timeText } from "../../time_text.ts";

/** Where a signature is good. */
const HERE = { provider: SELLER.provider, chainId: SELLER.chainId, escrow: SELLER.escrow };

type Action = OwnerQuestion["action"];

const SOON = BigInt(NOW / 1_000) + OWNER_REQUEST_SECONDS;
/** Another deployment's cid. */
const OTHER_CID = "bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e";

/** A signed question; `changes` are made before it is signed. */
function question(person: Person, action: Action, changes: Partial<OwnerQuestion> = {}) {
  const subject = action === "logs" ? CID : "";
  const asked = { action, subject, ...HERE, expires: SOON, ...changes };
  return signOwnerRequest(person, asked);
}

/** Calls the deployment once, so that it is known here. */
async function callOnce(world: RouteWorld): Promise<void> {
  await (await world.ask(`/${CID}`)).text();
}

Deno.test("a question needs the signature of who asks, for this provider, for this, and now", async () => {
  using world = await openRouteWorld();
  await callOnce(world);
  const actions: [string, Action, Action][] = [
    ["/logs", "logs", "deployments"],
    ["/deployments", "deployments", "logs"],
    ["/settle", "settle", "deployments"],
  ];
  for (const [path, action, other] of actions) {
    const person = action === "settle" ? OPERATOR : OWNER;
    const good = await question(person, action);
    assert.equal((await world.post(path, good)).status, 200, path);
    world.asked.length = 0;
    const forged = [
      { ...await question(STRANGER, action), owner: person.address },
      await question(person, other),
      await question(person, action, { provider: STRANGER.address }),
      await question(person, action, { chainId: 1 }),
      await question(person, action, { escrow: STRANGER.address }),
      await question(person, action, { expires: BigInt(NOW / 1_000) - 1n }),
      await question(person, action, { expires: SOON + OWNER_REQUEST_SECONDS + 1n }),
      { ...good, subject: `${good.subject}x` },
    ];
    for (const request of forged) {
      await assertRefused(world.post(path, request), 403, "invalid_signature");
    }
    for (const malformed of [{}, null, { ...good, more: 1 }, { ...good, signature: "0x00" }]) {
      await assertRefused(world.post(path, malformed), 400, "invalid_input");
    }
    const large = { ...good, subject: "x".repeat(CONTROL_BODY_BYTES_MAX) };
    await assertRefused(world.post(path, large), 413, "body_too_large");
    assert.deepEqual(world.asked, []);
  }
});

Deno.test("the operator and the provider may have it settled now, and nobody else", async () => {
  using world = await openRouteWorld();
  for (const person of [OPERATOR, PROVIDER]) {
    const response = await world.post("/settle", await question(person, "settle"));
    assert.deepEqual(await response.json(), { unsettled: "0" });
  }
  assert.deepEqual(world.asked, ["settle", "settle"]);
  const other = world.post("/settle", await question(OWNER, "settle"));
  await assertRefused(other, 403, "invalid_signature");
  assert.equal(world.asked.length, 2);
});

Deno.test("an owner reads the runs of its deployment, and nobody else does", async () => {
  using world = await openRouteWorld();
  world.program = (run) => {
    run.complain("oops");
    run.exit(3);
  };
  await callOnce(world);
  const { cid, runs } = await (await world.post("/logs", await question(OWNER, "logs"))).json();
  assert.equal(cid, CID);
  assert.deepEqual(
    runs.map(({ at, status, exit, stderr }: LoggedRun) => [at, status, exit, stderr]),
    [[NOW, 502, 3, "oops"]],
  );
  const others = [
    question(STRANGER, "logs"),
    question(OWNER, "logs", { subject: OTHER_CID }),
  ];
  for (const other of others) {
    await assertRefused(world.post("/logs", await other), 404, "not_found");
  }
  const bad = world.post("/logs", await question(OWNER, "logs", { subject: "bafynope" }));
  await assertRefused(bad, 400, "invalid_cid");
});

/** The owner's log as far as `query` asks for it. */
async function pageOf(world: RouteWorld, query: string): Promise<RunLogPage> {
  return await (await world.post(`/logs${query}`, await question(OWNER, "logs"))).json();
}

async function isFollowed({ records }: RouteWorld): Promise<void> {
  while (!records.runLog.followers.isFollowed(CID)) await turn();
}

Deno.test("a log is read on from where it was left, and from the beginning when that is lost", async () => {
  using world = await openRouteWorld();
  await callOnce(world);
  await callOnce(world);
  const { runs, cursor } = await pageOf(world, "");
  assert.equal(runs.length, 2);
  assert.deepEqual(await pageOf(world, `?after=${cursor}`).then(({ runs }) => runs), []);
  await callOnce(world);
  const next = await pageOf(world, `?after=${cursor}`);
  assert.equal(next.runs.length, 1);
  assert.ok(next.cursor > cursor);
  assert.equal((await pageOf(world, `?after=${next.cursor + 1}`)).runs.length, 3);
  for (const query of ["?after=x", "?after=-1", "?wait=1.5", `?after=${"9".repeat(16)}`]) {
    const asked = world.post(`/logs${query}`, await question(OWNER, "logs"));
    await assertRefused(asked, 400, "invalid_input");
  }
});

Deno.test("who follows a log is answered as soon as there is a run", async () => {
  using world = await openRouteWorld();
  await callOnce(world);
  const { cursor } = await pageOf(world, "");
  const waiting = pageOf(world, `?after=${cursor}&wait=25`);
  await isFollowed(world);
  await callOnce(world);
  assert.equal((await waiting).runs.length, 1);
});

Deno.test("an owner reads what its server wrote, and is answered as soon as it writes", async () => {
  using world = await openRouteWorld();
  await callOnce(world);
  const { cursor } = await pageOf(world, "");
  const { runLog } = world.records;
  const lines = { at: NOW, instance: 1, output: "listening" };
  runLog.addServerEntry(CID, lines);
  const page = await pageOf(world, `?after=${cursor}&wait=25`);
  assert.deepEqual([page.runs, page.server], [[], [lines]]);
  const waiting = pageOf(world, `?after=${page.cursor}&wait=25`);
  await isFollowed(world);
  runLog.addServerEntry(CID, { ...lines, output: "more" });
  assert.deepEqual((await waiting).server, [{ ...lines, output: "more" }]);
});

Deno.test("only a deployment that was paid for is waited at, while its owner and the provider are there", async () => {
  using world = await openRouteWorld();
  const { followers } = world.records.runLog;
  assert.deepEqual((await pageOf(world, "?wait=25")).runs, [], "at once: nobody has paid for it");
  await callOnce(world);
  const { cursor } = await pageOf(world, "");
  const leaving = new AbortController();
  const asked = world.ask(`/logs?after=${cursor}&wait=25`, {
    method: "POST",
    body: JSON.stringify(await question(OWNER, "logs")),
    signal: leaving.signal,
  });
  await isFollowed(world);
  const stranger = world.post("/logs?wait=25", await question(STRANGER, "logs"));
  await assertRefused(stranger, 404, "not_found");
  leaving.abort();
  await asked.catch(() => {});
  assert.equal(followers.isFollowed(CID), false);
  const left = pageOf(world, `?after=${cursor}&wait=25`);
  await isFollowed(world);
  followers.close();
  assert.deepEqual((await left).runs, []);
});

Deno.test("a deployment that nobody has called is known by its spec, to its owner alone", async () => {
  using world = await openRouteWorld();
  const ask = async () => await (await world.post("/logs", await question(OWNER, "logs"))).json();
  const empty = { cid: CID, runs: [], server: [], cursor: 0 };
  assert.deepEqual(await ask(), { ...empty, cannotRun: null });
  const fault = new KhachapuriError("invalid_program", "main is empty", { hints: ["fill it"] });
  Object.assign(world.parts.programs.sandboxes, { refusal: () => fault });
  const cannotRun = { message: "main is empty", hints: ["fill it"] };
  assert.deepEqual(await ask(), { ...empty, cannotRun });
  const refusal = new KhachapuriError("invalid_spec", "programs here may not call a.test:1");
  Object.assign(world.parts.programs.deployments, { refusal: () => refusal });
  assert.equal((await ask()).cannotRun.message, refusal.message);
  await assertRefused(world.post("/logs", await question(STRANGER, "logs")), 404, "not_found");
  assert.deepEqual(world.records.registrations.ofOwner(OWNER.address), [], "it leaves no trace");
});

Deno.test("an owner is told its deployments, and which of them it stopped", async () => {
  using world = await openRouteWorld();
  const list = async (person: Person) =>
    await (await world.post("/deployments", await question(person, "deployments"))).json();
  const { id } = world.deployment.spec;
  assert.deepEqual(await list(OWNER), { owner: OWNER.address, deployments: [] });
  await callOnce(world);
  const price = String(world.deployment.entry.permit.price);
  const tariff = { price, next: null, areTermsTaken: true, termsUntil: null };
  const lastRun = { at: NOW, status: 200, exit: 0, signal: null, limit: null, reason: null };
  const row = { cid: CID, id, firstSeen: NOW, tariff, lastRun, cannotRun: null, server: null };
  const before = [{ ...row, stopped: false }];
  assert.deepEqual(await list(OWNER), { owner: OWNER.address, deployments: before });
  world.records.stops.add(world.deployment.spec);
  const after = [{ ...row, stopped: true }];
  assert.deepEqual(await list(OWNER), { owner: OWNER.address, deployments: after });
  assert.deepEqual(await list(STRANGER), { owner: STRANGER.address, deployments: [] });
});

Deno.test("an owner is told which price and terms are kept for it, and until when", async () => {
  using world = await openRouteWorld();
  await callOnce(world);
  const [price, seconds] = [world.deployment.entry.permit.price, BigInt(NOW) / 1_000n];
  const keep = { price: { seconds: 60n }, terms: { until: seconds + 90n } };
  world.records.tariffs.begin({ price: 2n * price, terms: [], keep });
  const response = await world.post("/deployments", await question(OWNER, "deployments"));
  const { deployments: [{ tariff }] } = await response.json();
  const next = { price: String(2n * price), at: timeText(seconds + 60n) };
  const termsUntil = timeText(seconds + 90n);
  assert.deepEqual(tariff, { price: String(price), next, areTermsTaken: true, termsUntil });
});

Deno.test("an owner is told how the latest run ended, and why there can be none", async () => {
  using world = await openRouteWorld();
  const row = async () => {
    const response = await world.post("/deployments", await question(OWNER, "deployments"));
    return (await response.json()).deployments[0];
  };
  await callOnce(world);
  world.program = (run) => {
    run.complain("a secret of its own");
    run.exit(3);
  };
  await callOnce(world);
  const failed = await row();
  assert.deepEqual([failed.lastRun.status, failed.lastRun.exit], [502, 3]);
  assert.match(failed.lastRun.reason, /exited with 3/);
  assert.doesNotMatch(JSON.stringify(failed), /a secret/);
  const refusal = new KhachapuriError("invalid_spec", "programs here may not call a.test:1");
  Object.assign(world.parts.programs.deployments, { refusal: () => refusal });
  assert.deepEqual((await row()).cannotRun, { message: refusal.message, hints: [] });
});

Deno.test("an owner is told how its server does, also of instances that are leaving", async () => {
  using world = await openRouteWorld();
  await callOnce(world);
  const instance = (number: number, state: InstanceState): InstanceView => ({
    instance: number,
    state,
    since: NOW,
    memoryBytes: 5_000_000,
    requests: 12,
    inFlight: 1,
    tunnels: 0,
  });
  const { deployment } = world;
  const other = { ...deployment, cid: OTHER_CID as CidText };
  const [old, young] = [instance(3, "draining"), instance(1, "awake")];
  Object.assign(world.parts.programs.sandboxes, {
    servers: () => [
      { deployment, view: { instances: [young], restarts: 1 } },
      { deployment: other, view: { instances: [instance(9, "frozen")], restarts: 5 } },
      { deployment, view: { instances: [old], restarts: 2 } },
    ],
  });
  const response = await world.post("/deployments", await question(OWNER, "deployments"));
  const { deployments } = await response.json();
  assert.deepEqual(deployments.map(({ server }: { server: unknown }) => server), [
    { instances: [young, old], restarts: 3 },
  ]);
});
