/**
 * A provider without any gateway, as owners use it: they push a program and its deployment, have
 * them tried, and call. Over real HTTP, on a real chain, with a real sandbox.
 */
import assert from "node:assert/strict";
import type { LocalAccount } from "viem";
import { formatCid } from "../lib/cid.ts";
import { writeCar } from "../lib/ipfs/car.ts";
import { importFile } from "../lib/ipfs/dag.ts";
import { ownerQuestion } from "../lib/client/owner_question.ts";
import { pushAuthorization, signPush, type UnsignedPush } from "../lib/spec/push.ts";
import { sealSpec } from "../lib/spec/envelope.ts";
import { signSpec } from "../lib/spec/signature.ts";
import type { UnsignedSpec } from "../lib/spec/schema.ts";
import { type Market, packFiles, type Program, startMarket } from "../worlds/market.ts";

const CAR_TYPE = "application/vnd.ipld.car";

interface Pushed {
  root: string;
  car: Uint8Array<ArrayBuffer>;
}

function carOf(bytes: Uint8Array): Pushed {
  const dag = importFile(bytes);
  return { root: formatCid(dag.root), car: writeCar(dag) };
}

async function authorization(
  market: Market,
  account: LocalAccount,
  { root, car }: Pushed,
  changes: Partial<UnsignedPush> = {},
): Promise<Record<string, string>> {
  const push = await signPush(account, {
    root,
    bytes: BigInt(car.length),
    chainId: market.chain.chainId,
    escrow: market.escrow,
    provider: market.accounts.provider.address,
    expires: BigInt(Math.floor(Date.now() / 1_000)) + 100n,
    nonce: `0x${crypto.getRandomValues(new Uint8Array(32)).toHex()}`,
    ...changes,
  });
  return { authorization: pushAuthorization(push), "content-type": CAR_TYPE };
}

function post(market: Market, headers: Record<string, string>, body: BodyInit): Promise<Response> {
  return fetch(`${market.provider.url}/ipfs`, { method: "POST", headers, body });
}

async function pushAll(market: Market, bytes: Uint8Array): Promise<string> {
  const pushed = carOf(bytes);
  const headers = await authorization(market, market.accounts.owner, pushed);
  const response = await post(market, headers, pushed.car);
  assert.equal(response.status, 201, await response.text());
  return pushed.root;
}

async function deploy(market: Market, program: Program): Promise<string> {
  const zip = await packFiles(program.files);
  const spec = await market.spec(program);
  assert.equal(await pushAll(market, zip), spec.program.cid);
  return await pushSpec(market, spec);
}

async function pushSpec(market: Market, spec: UnsignedSpec): Promise<string> {
  const signed = await signSpec(spec, market.accounts.owner);
  return await pushAll(market, await sealSpec(signed, [market.recipient]));
}

async function dryRun(market: Market, cid: string, account = market.accounts.owner) {
  const question = await ownerQuestion(account, { action: "dry-run", subject: cid }, {
    address: market.accounts.provider.address,
    chainId: market.chain.chainId,
    escrow: market.escrow,
    webDomain: market.provider.url,
  }, Date.now());
  return await fetch(`${market.provider.url}/dry-run`, {
    method: "POST",
    body: JSON.stringify(question),
  });
}

const SETTLEMENT = { mode: "batch", intervalSeconds: 60 };

Deno.test("a provider without a gateway", async (t) => {
  await using market = await startMarket({ gateways: [], settings: { settlement: SETTLEMENT } });
  const { owner, stranger } = market.accounts;

  await t.step("runs what its owner pushed, and the dry run has it ready", async () => {
    const cid = await deploy(market, { files: { main: "#!/bin/sh\necho hello\n" } });
    const tried = await dryRun(market, cid);
    const told = await tried.json();
    assert.equal(tried.status, 200, JSON.stringify(told));
    assert.deepEqual([told.cid, told.payable, told.warnings], [cid, null, []]);
    assert.equal(told.creditsLeft, "1000");
    assert.equal(await (await market.call(cid)).text(), "hello\n");
  });

  await t.step("says that what nobody pushed is not there", async () => {
    const response = await market.call(carOf(new Uint8Array([1])).root);
    const { error, message } = await response.json();
    assert.deepEqual([response.status, error], [404, "not_found"], message);
    assert.match(message, /no IPFS gateway/);
  });

  await t.step("finds what was pushed after it was looked for in vain", async () => {
    const zip = await packFiles({ main: "#!/bin/sh\necho late\n" });
    const spec = await market.spec({ files: { main: "#!/bin/sh\necho late\n" } });
    const cid = await pushSpec(market, spec);
    const early = await dryRun(market, cid);
    assert.equal(early.status, 404, await early.text());
    await pushAll(market, zip);
    assert.equal((await dryRun(market, cid)).status, 200);
    assert.equal(await (await market.call(cid)).text(), "late\n");
  });

  await t.step("says in a dry run what a caller would be told", async () => {
    const programs: Program[] = [
      { files: { other: "#!/bin/sh\n" } },
      { files: { main: "#!/usr/bin/no-such-interpreter\n" } },
      { files: { main: "#!/bin/sh\n" }, fields: { egress: ["example.com:8080"] } },
    ];
    for (const program of programs) {
      const cid = await deploy(market, program);
      const [tried, called] = [await dryRun(market, cid), await market.call(cid)];
      assert.equal(tried.status, called.status);
      assert.ok(tried.status >= 400);
      const [said, heard] = [await tried.json(), await called.json()];
      assert.deepEqual(said, heard);
    }
  });

  await t.step(
    "keeps nothing for who has allowed nothing, and asks for no byte of it",
    async () => {
      const pushed = carOf(new Uint8Array(5_000_000));
      const headers = await authorization(market, stranger, pushed);
      const response = await post(market, headers, pushed.car);
      const { error, hints } = await response.json();
      assert.deepEqual([response.status, error], [402, "payment_required"]);
      assert.match(hints.join(), /khachapuri allow/);
    },
  );

  await t.step(
    "takes a signature for another chain, escrow or provider, or an old one, from nobody",
    async () => {
      const pushed = carOf(new Uint8Array(3));
      const now = BigInt(Math.floor(Date.now() / 1_000));
      const bad: Partial<UnsignedPush>[] = [
        { chainId: 1 },
        { escrow: owner.address },
        { provider: owner.address },
        { expires: now - 1n },
        { expires: now + 10_000n },
      ];
      for (const changes of bad) {
        const headers = await authorization(market, owner, pushed, changes);
        const response = await post(market, headers, pushed.car);
        const { error } = await response.json();
        assert.deepEqual(
          [response.status, error],
          [403, "invalid_signature"],
          Object.keys(changes)[0],
        );
      }
      const none = await post(market, { "content-type": CAR_TYPE }, pushed.car);
      assert.equal(none.status, 403, await none.text());
    },
  );

  await t.step("gives out what a deployment uses, and the rest to its owner alone", async () => {
    const get = async (root: string, headers: Record<string, string> = {}) => {
      const response = await fetch(`${market.provider.url}/ipfs/${root}?format=car`, { headers });
      await response.body?.cancel();
      return response.status;
    };
    const pushed = carOf(crypto.getRandomValues(new Uint8Array(1_000)));
    await post(market, await authorization(market, owner, pushed), pushed.car);
    assert.equal(await get(pushed.root), 404);
    assert.equal(await get(pushed.root, await authorization(market, owner, pushed)), 200);
    assert.equal(await get(pushed.root, await authorization(market, stranger, pushed)), 404);
    const files = { main: "#!/bin/sh\necho given out\n" };
    const cid = await deploy(market, { files });
    const { program } = await market.spec({ files });
    assert.deepEqual([await get(cid), await get(program.cid)], [404, 404]);
    assert.equal((await dryRun(market, cid)).status, 200);
    assert.deepEqual([await get(cid), await get(program.cid)], [200, 200]);
  });

  await t.step("takes a push once, tells how far one came, and what is here", async () => {
    const pushed = carOf(new Uint8Array(3_000_000).map((_, index) => index % 255));
    const headers = await authorization(market, owner, pushed);
    const kept = await post(market, headers, pushed.car);
    assert.equal(kept.status, 201);
    const { root, bytes, quota, keptUntil } = await kept.json();
    assert.deepEqual([root, bytes], [pushed.root, pushed.car.length]);
    assert.ok(quota.used < quota.allowed && Date.parse(keptUntil) > Date.now());
    const replayed = await post(market, headers, pushed.car);
    assert.deepEqual([replayed.status, (await replayed.json()).error], [403, "invalid_signature"]);
    const again = await authorization(market, owner, pushed);
    const head = await fetch(`${market.provider.url}/ipfs`, { method: "HEAD", headers: again });
    assert.equal(head.headers.get("upload-offset"), String(pushed.car.length));
    const here = await post(market, again, pushed.car);
    assert.equal(here.status, 200, await here.text());
  });

  await t.step("goes on where a push broke off", async () => {
    const pushed = carOf(new Uint8Array(4_000_000).map((_, index) => index % 254));
    const socket = await Deno.connect({
      hostname: "127.0.0.1",
      port: Number(new URL(market.provider.url).port),
    });
    const headers = await authorization(market, owner, pushed);
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`).join("\r\n");
    const writer = socket.writable.getWriter();
    await writer.write(new TextEncoder().encode(
      `POST /ipfs HTTP/1.1\r\nhost: x\r\n${lines}\r\ncontent-length: ${pushed.car.length}\r\n\r\n`,
    ));
    await writer.write(pushed.car.subarray(0, 2_500_000));
    await writer.close();
    const ask = async () => {
      const headers = await authorization(market, owner, pushed);
      const head = await fetch(`${market.provider.url}/ipfs`, { method: "HEAD", headers });
      return Number(head.headers.get("upload-offset"));
    };
    const offset = await ask();
    assert.ok(offset > 2_000_000 && offset < 2_500_000, String(offset));
    const rest = { ...await authorization(market, owner, pushed), "upload-offset": String(offset) };
    const response = await post(market, rest, pushed.car.subarray(offset));
    assert.equal(response.status, 201, await response.text());
    assert.equal(await ask(), pushed.car.length);
  });

  await t.step("tells of itself on its front page, and in metrics", async () => {
    const front = await (await fetch(market.provider.url)).json();
    assert.deepEqual(front.ipfs, {
      push: { bytesPerUsdc: 2 ** 30, carBytesMax: 68 * 2 ** 20, keepSeconds: 30 * 86_400 },
      gateway: true,
    });
    const metrics = await (await fetch(`${market.provider.url}/metrics`)).text();
    assert.match(metrics, /khachapuri_kept_bytes [1-9]/);
  });

  await t.step("has it all after a restart", async () => {
    const cid = await deploy(market, { files: { main: "#!/bin/sh\necho lasting\n" } });
    await market.restart();
    assert.equal(await (await market.call(cid)).text(), "lasting\n");
  });
});
