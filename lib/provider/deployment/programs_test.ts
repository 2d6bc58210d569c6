import assert from "node:assert/strict";
import { join } from "node:path";
import { formatCid } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import { importFile } from "../../ipfs/dag.ts";
import type { Fetcher } from "../../ipfs/gateway.ts";
import { packProgram } from "../../spec/pack.ts";
import { sampleSpec } from "../../../worlds/spec/sample_spec.ts";
import type { Spec } from "../../spec/schema.ts";
import { openPrograms, type Programs } from "./programs.ts";

interface Shelf {
  programs: Programs;
  dir: string;
  fetches(): number;
  specOf(content: string, entrypoint?: string): Promise<Spec>;
}

async function withShelf(bytesMax: number, work: (shelf: Shelf) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  const zips = new Map<string, Uint8Array>();
  let fetches = 0;
  const fetcher = {
    readFile: (cid: Parameters<Fetcher["readFile"]>[0]) => {
      fetches += 1;
      const zip = zips.get(formatCid(cid));
      if (!zip) throw new KhachapuriError("not_found", "no gateway has it");
      return Promise.resolve(zip);
    },
  } as Fetcher;

  async function specOf(content: string, entrypoint = "./main"): Promise<Spec> {
    const source = await Deno.makeTempDir({ dir });
    await Deno.writeTextFile(join(source, "main"), content, { mode: 0o755 });
    await Deno.writeTextFile(join(source, "data"), content, { mode: 0o644 });
    const zip = await packProgram(source);
    const cid = formatCid(importFile(zip).root);
    zips.set(cid, zip);
    return await sampleSpec({ fields: { program: { cid, entrypoint, args: [] } } });
  }

  try {
    const programs = await openPrograms({ dir: join(dir, "programs"), fetcher, bytesMax });
    await work({ programs, dir: join(dir, "programs"), fetches: () => fetches, specOf });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

async function folders(dir: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(dir))).map(({ name }) => name);
}

Deno.test("a program is fetched and unpacked once, however many ask at once", async () => {
  await withShelf(1_000_000, async ({ programs, fetches, specOf }) => {
    const spec = await specOf("#!/bin/sh\n");
    const all = await Promise.all([1, 2, 3].map(() => programs.acquire(spec)));
    assert.equal(new Set(all.map(({ path }) => path)).size, 1);
    assert.equal(fetches(), 1);
  });
});

/** Ten bytes each. */
const SCRIPTS = ["#!/bin/sh\n", "#! /bin/sh", "#!/bin/sh "];

Deno.test("programs not in use make room, those in use stay", async () => {
  await withShelf(25, async ({ programs, dir, specOf }) => {
    const held = await programs.acquire(await specOf(SCRIPTS[0]!));
    const second = await programs.acquire(await specOf(SCRIPTS[1]!));
    second.release();
    const third = await programs.acquire(await specOf(SCRIPTS[2]!));
    assert.deepEqual(
      (await folders(dir)).map((name) => join(dir, name)).sort(),
      [held.path, third.path].sort(),
    );
    assert.equal(programs.bytes(), 40);
  });
});

Deno.test("a failed fetch is tried again", async () => {
  await withShelf(1_000, async ({ programs, fetches, specOf }) => {
    const spec = await specOf("x");
    const lost = { ...spec, program: { ...spec.program, cid: (await sampleSpec()).program.cid } };
    for (const _ of [1, 2]) {
      await assert.rejects(programs.acquire(lost), { code: "not_found" });
    }
    assert.equal(fetches(), 2);
  });
});

Deno.test("an entrypoint that is missing or not executable is refused by name", async () => {
  await withShelf(1_000, async ({ programs, specOf }) => {
    await assert.rejects(programs.acquire(await specOf("x", "./nope")), {
      message: "the program has no file nope",
    });
    await assert.rejects(programs.acquire(await specOf("x", "./data")), {
      message: "data is not executable",
    });
    const script = await specOf("echo hi");
    await assert.rejects(programs.acquire(script), { message: "main is a script without #!" });
  });
});
