/** A provider of three nodes: whichever of them is asked, it is one provider. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { readConsumed } from "../lib/chain/escrow.ts";
import { formatCid } from "../lib/cid.ts";
import { writeCar } from "../lib/ipfs/car.ts";
import { importFile } from "../lib/ipfs/dag.ts";
import { deploymentLane } from "../lib/permit.ts";
import { openStore } from "../lib/provider/ledger/store.ts";
import { receiptFromJson, recoverReceiptSigner } from "../lib/receipt.ts";
import { sealSpec } from "../lib/spec/envelope.ts";
import { pushAuthorization, signPush } from "../lib/spec/push.ts";
import type { UnsignedSpec } from "../lib/spec/schema.ts";
import { signSpec } from "../lib/spec/signature.ts";
import { signStop } from "../lib/spec/stop.ts";
import { PRICE } from "../worlds/chain/escrow_chain.ts";
import { untilMined } from "../worlds/chain/blocks.ts";
import { balanceOf, exactHeader, exactIn, signExact } from "../worlds/exact_payer.ts";
import { EXACT_PRICE } from "../worlds/exact_market.ts";
import { type Fleet, type FleetMember, startFleet } from "../worlds/fleet.ts";
import { freshDatabase, startFleetServer } from "../worlds/fleet_database.ts";
import { assertBooks } from "../worlds/fleet_ledger.ts";
import { runIn } from "../worlds/home.ts";
import { ID, sale } from "../worlds/ledger.ts";
import { packFiles } from "../worlds/market.ts";
import { proxyVersion } from "../worlds/proxies.ts";
import { until } from "./abuse/server_stage.ts";

const SERVER = await startFleetServer();
const HELLO = { files: { main: "#!/bin/sh\nprintf 'hello '; cat\n" } };
const LIMITS = { timeoutMs: 5_000, memoryMb: 64, concurrency: 16 };
/** Says that it has begun, and ends when its caller says so. */
const SLOW = { files: { main: "#!/bin/sh\necho begun\nread line\necho done\n" } };

const call = ({ url }: FleetMember, cid: string, init: RequestInit = {}) =>
  fetch(`${url}/${cid}`, { method: "POST", body: "you", ...init });

async function assertServed(node: FleetMember, cid: string, init?: RequestInit): Promise<void> {
  const response = await call(node, cid, init);
  const text = await response.text();
  assert.equal(text, "hello you", `${node.name}: ${response.status}`);
}

async function usedIn({ database }: Fleet): Promise<number> {
  return (await assertBooks(database.database)).used;
}

/** By the operator, whichever node it is asked of. */
async function settle({ home }: FleetMember): Promise<void> {
  const { code, err } = await runIn(home, ["settle"]);
  assert.equal(code, 0, err);
}

function consumed(
  { market: { chain, escrow, accounts: { owner, provider } } }: Fleet,
  { id }: UnsignedSpec,
) {
  return readConsumed(chain, escrow, owner.address, provider.address, deploymentLane(id));
}

async function leaderOf({ database, nodes }: Fleet): Promise<FleetMember | undefined> {
  const [row] = await database.database.ask<{ node: string }>(
    `SELECT s.node FROM leader l JOIN sessions s ON s.id = l.session WHERE l.until >= now()`,
  );
  return nodes.find(({ name }) => name === row?.node);
}

/** What an owner has kept at a node. @returns its root */
async function push({ market }: Fleet, { url }: FleetMember, bytes: Uint8Array): Promise<string> {
  const dag = importFile(bytes);
  const car = writeCar(dag);
  const signed = await signPush(market.accounts.owner, {
    root: formatCid(dag.root),
    bytes: BigInt(car.length),
    chainId: market.chain.chainId,
    escrow: market.escrow,
    provider: market.accounts.provider.address,
    expires: BigInt(Math.floor(Date.now() / 1_000)) + 100n,
    nonce: `0x${crypto.getRandomValues(new Uint8Array(32)).toHex()}`,
  });
  const headers = {
    authorization: pushAuthorization(signed),
    "content-type": "application/vnd.ipld.car",
  };
  const response = await fetch(`${url}/ipfs`, { method: "POST", headers, body: car });
  assert.equal(response.status, 201, await response.text());
  return formatCid(dag.root);
}

Deno.test({
  name: "three nodes are one provider",
  ignore: SERVER === null,
  async fn(t) {
    await using database = await freshDatabase(SERVER!);
    await using fleet = await startFleet(database);
    const { market, nodes } = fleet;
    const { accounts: { payer, owner, provider, operator }, chain, escrow } = market;
    const [n1, n2, n3] = nodes as [FleetMember, FleetMember, FleetMember];
    const spec = await market.spec(HELLO);
    const cid = await market.publishSpec(spec);

    await t.step("a deployment is called at each of them, at its owner's cost", async () => {
      for (const node of nodes) await assertServed(node, cid);
      assert.equal(await usedIn(fleet), 3);
    });

    await t.step("a caller's permit goes on from node to node", async () => {
      for (const [index, node] of nodes.entries()) {
        const headers = await market.pay(payer, { credits: BigInt(index + 1) });
        await assertServed(node, cid, { headers });
      }
      const headers = await market.pay(payer, { credits: 3n });
      const refused = await call(n2, cid, { headers });
      assert.equal(refused.status, 402);
      assert.equal((await refused.json()).cumulative, "3");
    });

    await t.step("a key is answered once, wherever it comes again", async () => {
      const permit = await market.pay(payer, { credits: 4n });
      const headers = { ...permit, "Idempotency-Key": '"once"' };
      for (const node of nodes) await assertServed(node, cid, { headers });
      assert.equal(await usedIn(fleet), 7);
    });

    await t.step("a receipt is the provider's, and any node has it", async () => {
      const headers = await market.pay(payer, { credits: 5n });
      const response = await call(n1, cid, { headers });
      await response.text();
      const path = response.headers.get("khachapuri-receipt")!;
      const texts = new Set<string>();
      for (const { url } of nodes) {
        const found = await fetch(url + path);
        assert.equal(found.status, 200);
        const receipt = receiptFromJson(await found.json());
        assert.equal(await recoverReceiptSigner(receipt), operator.address);
        const { signature: _, block: __, ...facts } = receipt;
        texts.add(JSON.stringify(facts, (_key, value) => String(value)));
      }
      assert.equal(texts.size, 1);
    });

    await t.step("whichever node is asked to settle, the one that leads does", async () => {
      await settle(n3);
      assert.equal(await consumed(fleet, spec), 3n);
      await settle(n1);
    });

    await t.step("what its owner stops at one node is stopped at all", async () => {
      const other = await market.spec(HELLO);
      const stopped = await market.publishSpec(other);
      for (const node of nodes) await assertServed(node, stopped);
      const place = { id: other.id, provider: provider.address, chainId: chain.chainId, escrow };
      const signature = await signStop(owner, place);
      const body = JSON.stringify({ cid: stopped, signature });
      const said = await fetch(`${n2.url}/stop`, { method: "POST", body });
      assert.equal(said.status, 200, await said.text());
      for (const node of nodes) {
        const refused = await call(node, stopped);
        assert.deepEqual([refused.status, (await refused.json()).error], [410, "stopped"]);
      }
    });

    await t.step("what its owner pushed to one node all nodes run, and give out", async () => {
      const zip = await packFiles({ main: "#!/bin/sh\nprintf 'pushed '; cat\n" });
      const program = await push(fleet, n1, zip);
      const fields = { program: { cid: program, entrypoint: "./main", args: [] } };
      const pushed = await market.spec({ files: {}, fields });
      const signed = await signSpec(pushed, owner);
      const deployed = await push(fleet, n1, await sealSpec(signed, [market.recipient]));
      const raw = (node: FleetMember) => fetch(`${node.url}/ipfs/${program}?format=raw`);
      assert.equal((await raw(n2)).status, 404, "no deployment uses it yet");
      assert.equal(await (await call(n1, deployed)).text(), "pushed you");
      for (const node of nodes) {
        const block = await raw(node);
        assert.equal(block.status, 200, `${node.name} gives it out`);
        assert.deepEqual(await block.bytes(), zip);
      }
      for (const node of nodes) {
        assert.equal(await (await call(node, deployed)).text(), "pushed you", node.name);
      }
    });

    await t.step("one call that a stranger pays for runs anywhere, and once", async () => {
      const paid = await market.deploy({ ...HELLO, fields: { access: "payer" } });
      const earned = () => balanceOf(market, provider.address);
      const before = await earned();
      for (const node of nodes) {
        const asked = await call(node, paid);
        await asked.body?.cancel();
        const headers = exactHeader(await signExact(payer, exactIn(asked)));
        await assertServed(node, paid, { headers });
        for (const other of nodes) {
          const again = await call(other, paid, { headers });
          assert.equal(again.headers.get("idempotency-replayed"), "true", other.name);
          assert.equal(await again.text(), "hello you");
          const another = await call(other, paid, { headers, body: "another" });
          assert.equal(another.status, 402, `${node.name}'s payment is good at ${other.name}`);
          await another.body?.cancel();
        }
      }
      assert.equal(await earned() - before, 3n * EXACT_PRICE);
    });

    await t.step("an owner's calls a minute are as many at all nodes together", async () => {
      const limits = { ...LIMITS, ownerCreditsPerMinute: 2 };
      const seldom = await market.deploy({ ...HELLO, fields: { limits } });
      const statuses: number[] = [];
      for (const node of [...nodes, n1]) {
        const response = await call(node, seldom);
        statuses.push(response.status);
        await response.body?.cancel();
      }
      assert.deepEqual(statuses, [200, 200, 429, 429]);
    });

    await t.step("a ledger that moves is not taken over by a process of it", async () => {
      await n3.configure({ ledger: {} });
      await assert.rejects(n3.start({ isSuccessor: true }), /did not start/);
      const log = await Deno.readTextFile(join(n3.home, "provider.log"));
      assert.match(log, /has its ledger elsewhere: in its fleet's database/);
      await n3.configure();
      await assertServed(n3, cid);
    });

    await t.step("what one node is configured to ask all do, once it has reloaded", async () => {
      const price = String(2n * PRICE);
      await n2.configure({ price });
      const [followed, before] = [n2.process.logged("handing over"), n2.process];
      await n2.start({ isSuccessor: true });
      await followed;
      const asked = async ({ url }: FleetMember) => {
        const { accepts } = await (await fetch(url)).json();
        return accepts.find(({ scheme }: { scheme: string }) => scheme === "credits").amount;
      };
      await until(async () =>
        (await Promise.all(nodes.map(asked))).every((each) => each === price)
      );
      await before.ended;
      // What was deployed before goes on at what its owner signed, and no more is taken.
      const refused = await call(n1, cid);
      assert.equal(refused.status, 402);
      await refused.body?.cancel();
    });
  },
});

Deno.test({
  name: "what a node did that is killed others end, and whoever led is followed",
  ignore: SERVER === null,
  async fn(t) {
    await using database = await freshDatabase(SERVER!);
    await using fleet = await startFleet(database);
    const { market, nodes } = fleet;
    const spec = await market.spec(SLOW);
    const cid = await market.publishSpec(spec);
    const quick = await market.deploy(HELLO);
    const leader = (await leaderOf(fleet))!;
    const others = nodes.filter((node) => node !== leader);

    await t.step("a run of it is free", async () => {
      const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
      const { body } = await call(leader, cid, { body: readable });
      const reader = body!.pipeThrough(new TextDecoderStream()).getReader();
      assert.equal((await reader.read()).value, "begun\n");
      await leader.process.kill();
      await assert.rejects(async () => {
        while (!(await reader.read()).done);
      });
      await writable.abort().catch(() => {});
      const held = async () => (await assertBooks(database.database)).held;
      assert.ok(await held() >= 1);
      for (const node of others) await assertServed(node, quick);
      await until(async () => await held() <= 2, 20_000);
      assert.equal(await usedIn(fleet), 2);
    });

    await t.step("another one settles", async () => {
      await until(async () => others.includes((await leaderOf(fleet))!), 20_000);
      // Also where the machine that asks has no node that runs.
      for (const node of nodes) await settle(node);
      await untilMined(market.rpc, () => Promise.resolve(true));
    });

    await t.step("and it comes back as if it had been there", async () => {
      const store = await openStore(join(leader.home, "state", "book", "ledger.db"));
      await store.write([{ kind: "open", ...ID, charged: 0n }, ...sale(1)], "disk");
      await store.close();
      await leader.start();
      await assertServed(leader, quick);
      await leader.process.stop();
      const log = await Deno.readTextFile(join(leader.home, "provider.log"));
      assert.ok(log.includes("serving"));
      assert.match(log, /ledger\.db was never imported into/);
    });
  },
});

Deno.test({
  name: "nodes are replaced one after the other under load, and no call fails or is paid twice",
  ignore: SERVER === null || await proxyVersion("haproxy") === null,
  async fn() {
    await using database = await freshDatabase(SERVER!);
    const settings = { drainSeconds: 4 };
    await using fleet = await startFleet(database, { hasFront: true, settings, credits: 100_000n });
    const { market, nodes } = fleet;
    const limits = { ...LIMITS, ownerCreditsPerMinute: 100_000 };
    const spec = await market.spec({ ...HELLO, fields: { limits } });
    const cid = await market.publishSpec(spec);
    let isOver = false;
    let answered = 0;
    const failed: string[] = [];
    const loops = Array.from({ length: 4 }, async () => {
      while (!isOver) {
        const response = await fetch(`${fleet.url}/${cid}`, { method: "POST", body: "you" });
        const text = await response.text();
        if (text === "hello you") answered += 1;
        else failed.push(`${response.status} ${text}`);
      }
    });
    for (const node of nodes) {
      const before = answered;
      assert.equal(await node.process.stop(), 0);
      await node.start();
      assert.ok(answered > before, "calls stood still");
    }
    isOver = true;
    await Promise.all(loops);
    assert.deepEqual(failed, []);
    assert.equal(await usedIn(fleet), answered);
  },
});
