/**
 * What helia imports is pushed to a provider and run there, what a provider keeps helia reads, and
 * what helia serves we read: in its profile of today, and in the one that most content was made in.
 */
import assert from "node:assert/strict";
import { blockKey, formatCid, parseCid } from "../../lib/cid.ts";
import { fetchDag } from "../../lib/client/publishing/fetch_dag.ts";
import { writeCar } from "../../lib/ipfs/car.ts";
import { type Dag, importFile } from "../../lib/ipfs/dag.ts";
import { createFetcher } from "../../lib/ipfs/gateway.ts";
import { sealSpec } from "../../lib/spec/envelope.ts";
import { pushAuthorization, signPush } from "../../lib/spec/push.ts";
import { signSpec } from "../../lib/spec/signature.ts";
import { blocksOfCar } from "../../worlds/ipfs/kept_blocks.ts";
import { type Market, packFiles, startMarket } from "../../worlds/market.ts";
import { type HeliaNode, type Profile, startHelia } from "./helia.ts";
import { HELIA } from "./packages.ts";
import { withPeer } from "./with_peer.ts";

const MIB = 1024 * 1024;
const FILE = new Uint8Array(3 * MIB + 5).map((_, i) => i * 7 + (i >> 8) * 31 + (i >> 16));
const FOLDER = { "größe b.bin": FILE, empty: new Uint8Array(), small: FILE.subarray(0, 300) };
const PROFILES: readonly Profile[] = ["2015", "2025"];

const rawOf = (gateway: string, cid: string) => fetch(`${gateway}/ipfs/${cid}?format=raw`);
const keysOf = ({ blocks }: Pick<Dag, "blocks">) => blocks.map(({ cid }) => blockKey(cid)).sort();

/** Pushes these very bytes. */
async function push(market: Market, root: string, car: Uint8Array<ArrayBuffer>): Promise<void> {
  const { provider, chain, escrow, accounts } = market;
  const signed = await signPush(accounts.owner, {
    root: formatCid(parseCid(root)),
    bytes: BigInt(car.length),
    chainId: chain.chainId,
    escrow,
    provider: accounts.provider.address,
    expires: BigInt(Math.floor(Date.now() / 1_000)) + 100n,
    nonce: `0x${crypto.getRandomValues(new Uint8Array(32)).toHex()}`,
  });
  const response = await fetch(`${provider.url}/ipfs`, {
    method: "POST",
    headers: {
      authorization: pushAuthorization(signed),
      "content-type": "application/vnd.ipld.car",
    },
    body: car,
  });
  assert.equal(response.status, 201, await response.text());
}

/** Everything of a CAR that was pushed is given out again, as a CAR and block for block. */
async function assertServed(gateway: string, car: Uint8Array): Promise<void> {
  const { roots, blocks } = await blocksOfCar(car);
  const response = await fetch(`${gateway}/ipfs/${roots[0]}?format=car`);
  const served = await blocksOfCar(await response.bytes());
  assert.deepEqual(served.roots.map(formatCid), roots.map(formatCid));
  assert.deepEqual(keysOf(served), keysOf({ blocks }));
  for (const { cid, bytes } of blocks) {
    assert.deepEqual(await (await rawOf(gateway, String(cid))).bytes(), bytes);
  }
}

async function tryProfile(market: Market, helia: HeliaNode, profile: Profile, t: Deno.TestContext) {
  const gateway = market.provider.url;
  const file = await helia.importFile(FILE, profile);
  const folder = await helia.importFolder(FOLDER, profile);

  await t.step("we read what helia serves", async () => {
    const fetcher = createFetcher({ gateways: [helia.url], cache: null });
    assert.deepEqual(await fetcher.readFile(parseCid(file), { maxBytes: 10 * MIB }), FILE);
    const dag = await fetchDag(parseCid(folder), { gateways: [helia.url], bytesMax: 10 * MIB });
    const { blocks } = await blocksOfCar(await helia.exportCar(folder));
    assert.deepEqual(keysOf(dag), keysOf({ blocks }));
  });

  await t.step("helia finds nothing at a provider to which nothing was pushed", async () => {
    await assert.rejects(helia.readFrom(gateway, file));
  });

  await t.step("a provider takes helia's CARs, and gives out every block", async () => {
    for (const cid of [file, folder]) {
      const car = await helia.exportCar(cid);
      await push(market, cid, car);
      await assertServed(gateway, car);
    }
  });

  await t.step("helia reads off the provider, block for block and by CAR", async () => {
    assert.deepEqual(await helia.readFrom(gateway, file), FILE);
    const car = await (await fetch(`${gateway}/ipfs/${folder}?format=car`)).bytes();
    for (const [name, bytes] of Object.entries(FOLDER)) {
      assert.deepEqual(await helia.readFrom(gateway, folder, name), bytes, name);
      assert.deepEqual(await helia.readCar(car, folder, name), bytes, name);
    }
  });

  await t.step("a provider runs a program that helia imported", async () => {
    const files = { main: `#!/bin/sh\necho profile ${profile}\n`, data: FILE };
    const cid = await helia.importFile(await packFiles(files), profile);
    await push(market, cid, await helia.exportCar(cid));
    const spec = await market.spec({ files: { main: "" } });
    const program = { ...spec.program, cid: formatCid(parseCid(cid)) };
    const signed = await signSpec({ ...spec, program }, market.accounts.owner);
    const sealed = importFile(await sealSpec(signed, [market.recipient]));
    const deployment = formatCid(sealed.root);
    await push(market, deployment, writeCar(sealed));
    const answer = await market.call(deployment);
    assert.equal(await answer.text(), `profile ${profile}\n`);
  });
}

Deno.test(
  "helia and a provider",
  withPeer(HELIA, async (t) => {
    await using helia = await startHelia();
    await using market = await startMarket({ gateways: [] });
    for (const profile of PROFILES) {
      await t.step(`in the profile of ${profile}`, (t) => tryProfile(market, helia, profile, t));
    }
    await t.step("both name a file the same", async () => {
      const { root } = importFile(FILE);
      assert.equal(await helia.importFile(FILE, "2025"), formatCid(root));
    });
  }),
);
