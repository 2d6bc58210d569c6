import assert from "node:assert/strict";
import { join } from "node:path";
import { formatCid } from "../../cid.ts";
import { openCache } from "../../ipfs/cache.ts";
import { importFile } from "../../ipfs/dag.ts";
import { createFetcher } from "../../ipfs/gateway.ts";
import { PROGRAM_SMALL_BYTES_MAX, PROGRAM_STREAM_BYTES_MAX } from "../../limits.ts";
import { encryptProgram } from "../../spec/private_program.ts";
import type { Spec } from "../../spec/schema.ts";
import { startGateway } from "../../../worlds/ipfs/gateway.ts";
import { packFiles } from "../../../worlds/market.ts";
import { sampleSpec } from "../../../worlds/spec/sample_spec.ts";
import { Openings } from "./openings.ts";
import { openPrograms, type Programs } from "./programs.ts";

/** Random bytes, some that become smaller, and the same block many times. */
function content(bytes: number): Uint8Array {
  const data = new Uint8Array(bytes);
  for (let at = 0; at < bytes / 2; at += 65_536) {
    crypto.getRandomValues(data.subarray(at, at + 65_536));
  }
  return data;
}

interface World {
  programs: Programs;
  dir: string;
  requests(): number;
  /** The most memory that was taken at once, bytes. */
  most(): number;
  publish(zip: Uint8Array, key?: string): Promise<Spec>;
}

async function withPrograms(work: (world: World) => Promise<void>): Promise<void> {
  await using gateway = await startGateway();
  const dir = await Deno.makeTempDir();
  const openings = new Openings(() => false);
  let most = 0;
  const counted = {
    take: async (...wanted: Parameters<Openings["take"]>) => {
      const opening = await openings.take(...wanted);
      most = Math.max(most, openings.bytes());
      return opening;
    },
  };
  const cache = await openCache(join(dir, "cache"), { maxBytes: 1e9, maxFiles: 100 });
  const fetcher = createFetcher({ gateways: [gateway.url], cache });
  const programs = await openPrograms({
    dir: join(dir, "programs"),
    fetcher,
    openings: counted,
    most: { diskBytes: 60_000_000, inodes: 1_000 },
  });
  const publish = async (zip: Uint8Array, key?: string) => {
    const dag = importFile(zip);
    await gateway.put(dag.blocks);
    const program = {
      cid: formatCid(dag.root),
      entrypoint: "./main",
      args: [],
      ...(key && { key }),
    };
    return await sampleSpec({ fields: { program } });
  };
  try {
    const requests = () => gateway.requests.length;
    await work({ programs, dir, requests, most: () => most, publish });
    assert.equal(openings.bytes(), 0, "memory is given back");
    const names = (await Array.fromAsync(Deno.readDir(join(dir, "programs")))).map(({ name }) =>
      name
    );
    assert.ok(names.every((name) => !name.includes(".")), "no archive and no half program is left");
  } finally {
    await programs.close();
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("a large program is what was packed, public or private, in the memory of a piece", async () => {
  await withPrograms(async ({ programs, publish, most }) => {
    const data = content(9_000_000);
    const zip = await packFiles({ main: "#!/bin/sh\n", data });
    assert.ok(zip.length > PROGRAM_SMALL_BYTES_MAX);
    const sealed = encryptProgram(zip);
    const specs = [await publish(zip), await publish(sealed.bytes, sealed.key)];
    for (const spec of specs) {
      const { path, release } = await programs.acquire(spec);
      assert.deepEqual(await Deno.readFile(join(path, "data")), data);
      release();
    }
    assert.equal(most(), PROGRAM_STREAM_BYTES_MAX);
    const alone = programs.footprint();
    assert.ok(alone.diskBytes < 2 * 9_100_000, "an archive that is gone counts no more");
  });
});

Deno.test("a large program comes from the cache again, and from a gateway where that is damaged", async () => {
  await withPrograms(async ({ programs, dir, publish, requests }) => {
    const zip = await packFiles({
      main: "#!/bin/sh\n",
      other: "#!/bin/sh\n",
      data: content(5_000_000),
    });
    const spec = await publish(zip);
    const other = { ...spec, program: { ...spec.program, entrypoint: "./other" } };
    const third = { ...spec, program: { ...spec.program, entrypoint: "main" } };
    (await programs.acquire(spec)).release();
    const asked = requests();
    (await programs.acquire(other)).release();
    assert.equal(requests(), asked);
    const car = join(dir, "cache", `${spec.program.cid}.car`);
    const bytes = await Deno.readFile(car);
    bytes[bytes.length - 100]! ^= 1;
    await Deno.writeFile(car, bytes);
    (await programs.acquire(third)).release();
    assert.ok(requests() > asked);
  });
});

Deno.test("many who want one large program at once have the gateway asked for it once", async () => {
  await withPrograms(async ({ programs, publish, requests }) => {
    const files = Object.fromEntries(["a", "b", "c"].map((name) => [name, "#!/bin/sh\n"]));
    const spec = await publish(await packFiles({ ...files, data: content(5_000_000) }));
    const specs = Object.keys(files).map((name) => {
      return { ...spec, program: { ...spec.program, entrypoint: `./${name}` } };
    });
    await Promise.all(specs.map((one) => programs.acquire(one)));
    // The root, which says that it is large, and the whole of it.
    assert.ok(requests() <= 2, `${requests()} requests`);
  });
});

Deno.test("a large program that is damaged, cut or under another key is refused, and leaves nothing", async () => {
  await withPrograms(async ({ programs, publish }) => {
    const zip = await packFiles({ main: "#!/bin/sh\n", data: content(5_000_000) });
    const sealed = encryptProgram(zip);
    const wrong = encryptProgram(zip).key;
    const damaged = zip.slice();
    damaged[zip.length >> 1]! ^= 1;
    const cases: [Spec, RegExp][] = [
      [await publish(sealed.bytes, wrong), /does not decrypt with its key/],
      [await publish(sealed.bytes.subarray(0, -1), sealed.key), /does not decrypt with its key/],
      [await publish(damaged), /does not match its checksum|deflate stream|than it declares/],
      [await publish(zip.subarray(0, -1)), /not a zip, cut off/],
    ];
    for (const [spec, message] of cases) {
      await assert.rejects(programs.acquire(spec), { code: "invalid_program", message });
    }
    assert.deepEqual(programs.footprint(), { diskBytes: 0, inodes: 0 });
  });
});
