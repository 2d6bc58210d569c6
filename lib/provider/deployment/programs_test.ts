import assert from "node:assert/strict";
import { join } from "node:path";
import { formatCid } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import { importFile } from "../../ipfs/dag.ts";
import type { Fetcher } from "../../ipfs/gateway.ts";
import { tooLarge } from "../../ipfs/unixfs.ts";
import { ABSENT_REMEMBERED_MS, PROGRAM_ZIP_BYTES_MAX } from "../../limits.ts";
import { packProgram } from "../../spec/pack.ts";
import type { Footprint } from "../../spec/unpack.ts";
import { sampleSpec } from "../../../worlds/spec/sample_spec.ts";
import { sampleZip } from "../../../worlds/spec/sample_zip.ts";
import type { Spec } from "../../spec/schema.ts";
import { Openings } from "./openings.ts";
import { openPrograms, type Programs } from "./programs.ts";

interface Shelf {
  programs: Programs;
  dir: string;
  fetches(): number;
  /** Moves the clock on, ms. */
  advance(ms: number): void;
  /** What was found of each program, in order. */
  judged: boolean[];
  specOf(content: string, entrypoint?: string): Promise<Spec>;
  specOfZip(zip: Uint8Array, entrypoint?: string): Promise<Spec>;
}

const NOBODY: Fetcher = {
  readFile: () => Promise.reject(new KhachapuriError("not_found", "no gateway has it")),
  judge: () => Promise.resolve(),
};

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!await isSo()) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** Two files and their folder take three blocks. */
const ONE = { diskBytes: 4 * 4_096, inodes: 3 };

async function withShelf(most: Footprint, work: (shelf: Shelf) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  const zips = new Map<string, Uint8Array>();
  const judged: boolean[] = [];
  let fetches = 0;
  const fetcher: Fetcher = {
    readFile: (cid, { maxBytes }) => {
      fetches += 1;
      const zip = zips.get(formatCid(cid));
      if (!zip) throw new KhachapuriError("not_found", "no gateway has it");
      if (zip.length > maxBytes) throw tooLarge(zip.length, maxBytes);
      return Promise.resolve(zip);
    },
    judge: (_, isUseful) => Promise.resolve(void judged.push(isUseful)),
  };

  async function specOfZip(zip: Uint8Array, entrypoint = "./main"): Promise<Spec> {
    const cid = formatCid(importFile(zip).root);
    zips.set(cid, zip);
    return await sampleSpec({ fields: { program: { cid, entrypoint, args: [] } } });
  }

  async function specOf(content: string, entrypoint = "./main"): Promise<Spec> {
    const source = await Deno.makeTempDir({ dir });
    await Deno.writeTextFile(join(source, "main"), content, { mode: 0o755 });
    await Deno.writeTextFile(join(source, "data"), content, { mode: 0o644 });
    return await specOfZip(await packProgram(source), entrypoint);
  }

  const openings = new Openings(() => false);
  let at = 0;
  const options = { dir: join(dir, "programs"), fetcher, openings, most, now: () => at };
  const programs = await openPrograms(options);
  try {
    const advance = (ms: number) => void (at += ms);
    const facts = { programs, dir: options.dir, fetches: () => fetches, judged };
    await work({ ...facts, specOf, specOfZip, advance });
    assert.equal(openings.bytes(), 0, "memory of openings is given back");
  } finally {
    await programs.close();
    await Deno.remove(dir, { recursive: true });
  }
}

function times(count: number): Footprint {
  return { diskBytes: count * ONE.diskBytes, inodes: count * ONE.inodes };
}

async function folders(dir: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(dir))).map(({ name }) => name);
}

Deno.test("a program is fetched and unpacked once, however many ask at once", async () => {
  await withShelf(times(9), async ({ programs, fetches, specOf }) => {
    const spec = await specOf("#!/bin/sh\n");
    const all = await Promise.all([1, 2, 3].map(() => programs.acquire(spec)));
    assert.equal(new Set(all.map(({ path }) => path)).size, 1);
    assert.equal(fetches(), 1);
  });
});

Deno.test("programs not in use make room, those in use stay", async () => {
  await withShelf(times(2), async ({ programs, dir, specOf }) => {
    const held = await programs.acquire(await specOf("#!/bin/sh\n"));
    const second = await programs.acquire(await specOf("#! /bin/sh"));
    second.release();
    const third = await programs.acquire(await specOf("#!/bin/sh "));
    assert.deepEqual(
      (await folders(dir)).map((name) => join(dir, name)).sort(),
      [held.path, third.path].sort(),
    );
    assert.deepEqual(programs.footprint(), times(2));
  });
});

Deno.test("a failed fetch is tried again, after a moment", async () => {
  await withShelf(times(9), async ({ programs, fetches, specOf, advance }) => {
    const spec = await specOf("#!/bin/sh\n");
    const lost = { ...spec, program: { ...spec.program, cid: (await sampleSpec()).program.cid } };
    for (const ms of [0, ABSENT_REMEMBERED_MS - 1, 1]) {
      advance(ms);
      await assert.rejects(programs.acquire(lost), { code: "not_found" });
    }
    assert.equal(fetches(), 2);
  });
});

Deno.test("an entrypoint that is missing or not executable is refused by name, for nothing", async () => {
  await withShelf(times(9), async ({ programs, dir, specOf, fetches, judged }) => {
    const cases: [string, string][] = [
      ["./nope", "the program has no file nope"],
      ["./data", "data is not executable"],
    ];
    for (const [entrypoint, message] of cases) {
      const spec = await specOf("#!/bin/sh\n", entrypoint);
      for (const _ of [1, 2]) await assert.rejects(programs.acquire(spec), { message });
    }
    assert.deepEqual(await folders(dir), [], "nothing was written");
    assert.deepEqual([programs.footprint(), fetches()], [times(0), 2], "a no is remembered");
    assert.deepEqual(judged, [false, false]);
    await programs.acquire(await specOf("#!/bin/sh\n"));
    assert.equal(judged.at(-1), true);
  });
});

Deno.test("inodes are counted, not bytes alone, and room is made before anything is written", async () => {
  const most = { diskBytes: 1e9, inodes: 40 };
  await withShelf(most, async ({ programs, dir, specOfZip }) => {
    const zipOf = (folder: string) => {
      const small = Array.from({ length: 15 }, (_, index) => ({ name: `${folder}/${index}/x` }));
      return sampleZip([
        { name: "main", mode: 0o100755, data: "#!/bin/sh\n" },
        ...small.slice(0, 8),
      ]);
    };
    (await programs.acquire(await specOfZip(zipOf("a")))).release();
    const second = await programs.acquire(await specOfZip(zipOf("b")));
    assert.equal((await folders(dir)).length, 2);
    const third = await programs.acquire(await specOfZip(zipOf("c")));
    assert.equal((await folders(dir)).length, 2, "the one not in use made room");
    await assert.rejects(programs.acquire(await specOfZip(zipOf("d"))), {
      code: "overloaded",
      retryAfterSeconds: 30,
    });
    assert.equal(programs.footprint().inodes, 38);
    for (const { release } of [second, third]) release();
    await programs.acquire(await specOfZip(zipOf("d")));
  });
});

Deno.test("a large program is fetched with memory taken for it, a larger one is no program", async () => {
  await withShelf(times(4_000), async ({ programs, fetches, specOfZip }) => {
    const large = sampleZip([{
      name: "main",
      mode: 0o100755,
      data: `#!/bin/sh\n#${"x".repeat(3_000_000)}`,
    }]);
    await programs.acquire(await specOfZip(large));
    assert.equal(fetches(), 2);
    await assert.rejects(
      programs.acquire(await specOfZip(new Uint8Array(PROGRAM_ZIP_BYTES_MAX + 1))),
      { code: "invalid_program", message: /more than the 67108864 allowed/ },
    );
  });
});

Deno.test("what an earlier process left is removed while programs are served", async () => {
  await withShelf(times(9), async ({ programs, dir, specOf }) => {
    await programs.acquire(await specOf("#!/bin/sh\n"));
    const left = await folders(dir);
    const options = { dir, fetcher: NOBODY, openings: new Openings(() => false) };
    const next = await openPrograms(options);
    assert.deepEqual(await folders(dir), []);
    await until(async () => (await folders(`${dir}.left`)).length === 0);
    await next.close();
    assert.equal(left.length, 1);
  });
});
