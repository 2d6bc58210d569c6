/** Unpacks programs and gives them up for others, one after the other, until it is killed. */
import { join } from "node:path";
import { zipSync } from "fflate";
import { formatCid } from "../../lib/cid.ts";
import { importFile } from "../../lib/ipfs/dag.ts";
import { Openings } from "../../lib/provider/deployment/openings.ts";
import { openPrograms, type Programs } from "../../lib/provider/deployment/programs.ts";
import type { Spec } from "../../lib/spec/schema.ts";
import { randomOf } from "../random.ts";
import { sampleSpec } from "../spec/sample_spec.ts";

const FILES = 60;
const PROGRAMS = 6;
const EXECUTABLE = 0o100755 * 0x10000;
const UNIX = 3;

const textOf = (program: number, file: number) => `${program} ${file} `.repeat(1_000);

export interface Doomed {
  readonly specs: readonly Spec[];
  readonly programs: Programs;
}

/** Opens what an earlier one left in `dir`; there is room for half of the programs. */
export async function openDoomed(dir: string): Promise<Doomed> {
  const zips = new Map<string, Uint8Array>();
  const specs: Spec[] = [];
  for (let program = 0; program < PROGRAMS; program++) {
    const main = new TextEncoder().encode("#!/bin/sh\n");
    const entries = Array.from({ length: FILES }, (_, file) => {
      return [`d${file % 7}/${file}`, new TextEncoder().encode(textOf(program, file))] as const;
    });
    const zip = zipSync(
      { main: [main, { attrs: EXECUTABLE }], ...Object.fromEntries(entries) },
      { os: UNIX, mtime: new Date(1980, 0, 1) },
    );
    const cid = formatCid(importFile(zip).root);
    zips.set(cid, zip);
    specs.push(await sampleSpec({ fields: { program: { cid, entrypoint: "./main", args: [] } } }));
  }
  const programs = await openPrograms({
    dir: join(dir, "programs"),
    fetcher: {
      readFile: (cid) => Promise.resolve(zips.get(formatCid(cid))!),
      judge: () => Promise.resolve(),
    },
    openings: new Openings(() => true),
    most: { diskBytes: PROGRAMS / 2 * (FILES + 10) * 3 * 4_096, inodes: 100_000 },
  });
  return { specs, programs };
}

/** What of an unpacked program is not as it was packed; empty when all of it is. */
export async function faultsOf(path: string, program: number): Promise<string[]> {
  const faults: string[] = [];
  for (let file = 0; file < FILES; file++) {
    const text = await Deno.readTextFile(join(path, `d${file % 7}`, `${file}`)).catch(() => null);
    if (text !== textOf(program, file)) faults.push(`${program}/${file}`);
  }
  return faults;
}

async function unpackOn(dir: string, seed: number): Promise<void> {
  const { specs, programs } = await openDoomed(dir);
  const random = randomOf(seed);
  Deno.stdout.writeSync(new TextEncoder().encode("open\n"));
  for (;;) {
    const folder = await programs.acquire(random.pick(specs)!);
    folder.release();
  }
}

if (import.meta.main) await unpackOn(Deno.args[0]!, Number(Deno.args[1]));
