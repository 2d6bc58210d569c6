/** From a spec's program to a folder that a sandbox can show: fetched, verified, unpacked once. */
import { join, normalize } from "node:path";
import { parseCid } from "../../cid.ts";
import { KhachapuriError, unfit } from "../../errors.ts";
import type { Fetcher } from "../../ipfs/gateway.ts";
import { PROGRAM_REFUSALS_MAX, UNPACKED_BYTES_MAX, UNPACKED_INODES_MAX } from "../../limits.ts";
import { Lru } from "../../lru.ts";
import type { Spec } from "../../spec/schema.ts";
import { assertStarts } from "../../spec/start_fault.ts";
import { type Footprint, footprintOf, unpackEntries } from "../../spec/unpack.ts";
import { readZip, type ZipEntry } from "../../spec/zip_reader.ts";
import { Absences } from "./absences.ts";
import type { Openings } from "./openings.ts";
import { fetchArchive } from "./program_archive.ts";

export interface Programs {
  /**
   * The spec's program, unpacked; it stays on disk until released.
   * @throws KhachapuriError `not_found`, `ipfs_unavailable`, `invalid_program`, `overloaded` when
   * too many are being opened, or all that is unpacked is in use
   */
  acquire(spec: Spec): Promise<ProgramFolder>;
  /** What could not be had is here now. */
  forgetAbsence(cid: string): void;
  /** What unpacked programs take of the disk now. */
  footprint(): Footprint;
  /** Leaves what an earlier process left to the next one, as far as it is not removed yet. */
  close(): Promise<void>;
}

export interface ProgramFolder {
  /** Absolute; readable by the run uid. */
  readonly path: string;
  release(): void;
}

export interface ProgramsOptions {
  dir: string;
  fetcher: Fetcher;
  openings: Pick<Openings, "take">;
  now?: () => number;
  /** What unpacked programs may take; those not in use go, longest unused first. */
  most?: Footprint;
}

interface Unpacked {
  path: string;
  ready: Promise<void>;
  /** Nothing until it is known, which is before anything is written. */
  footprint: Footprint;
  isReady: boolean;
  users: number;
}

const NOTHING: Footprint = { diskBytes: 0, inodes: 0 };
const MOST: Footprint = { diskBytes: UNPACKED_BYTES_MAX, inodes: UNPACKED_INODES_MAX };
/** Beside the programs' own folder: what an earlier process left, until it is removed. */
const LEFT_SUFFIX = ".left";
/** How the folders of processes that run at the same time are told apart. */
const GENERATION = /\.[0-9]+$/;

/**
 * Unpacked programs live below `dir`, each in a folder with an unguessable name: the run uid must
 * be able to enter it, and another tenant must not find it. What an earlier process left is put
 * aside and removed while calls are served; the zips are still in the content cache.
 */
export async function openPrograms(options: ProgramsOptions): Promise<Programs> {
  const { dir } = options;
  const left = dir.replace(GENERATION, "") + LEFT_SUFFIX;
  await Deno.mkdir(left, { recursive: true, mode: 0o700 });
  await Deno.rename(dir, join(left, crypto.randomUUID())).catch(ignoreMissing);
  await Deno.mkdir(dir, { recursive: true });
  await Deno.chmod(dir, 0o711);
  return new ProgramStore(options, new Sweep(left));
}

class ProgramStore implements Programs {
  /** In the order of last use, longest ago first. */
  readonly #known = new Map<string, Unpacked>();
  /** Why what can't be used can't be: it follows from the content, which never changes. */
  readonly #refused = new Lru<string, KhachapuriError>(PROGRAM_REFUSALS_MAX);
  readonly #absences: Absences;
  #total = NOTHING;

  constructor(private readonly options: ProgramsOptions, private readonly sweep: Sweep) {
    this.#absences = new Absences(options.now ?? Date.now);
  }

  forgetAbsence(cid: string): void {
    this.#absences.forget(cid);
  }

  footprint(): Footprint {
    return this.#total;
  }

  close(): Promise<void> {
    return this.sweep.stop();
  }

  async acquire(spec: Spec): Promise<ProgramFolder> {
    const program = this.#hold(spec);
    program.users += 1;
    let isHeld = true;
    function release(): void {
      if (isHeld) program.users -= 1;
      isHeld = false;
    }
    try {
      await program.ready;
      const command = { entrypoint: spec.program.entrypoint, env: spec.env };
      await assertStarts(program.path, command, MEND);
      return { path: program.path, release };
    } catch (error) {
      release();
      throw error;
    }
  }

  #hold(spec: Spec): Unpacked {
    const name = nameOf(spec);
    const refusal = this.#refused.get(name) ?? this.#absences.recall(name);
    if (refusal) throw refusal;
    const known = this.#known.get(name);
    this.#known.delete(name);
    const program = known ?? this.#begin(name, spec);
    this.#known.set(name, program);
    return program;
  }

  #begin(name: string, spec: Spec): Unpacked {
    const path = join(this.options.dir, crypto.randomUUID());
    const ready = Promise.resolve();
    const program = { path, ready, footprint: NOTHING, isReady: false, users: 0 };
    program.ready = this.#open(spec, program).then(
      () => void (program.isReady = true),
      (error) => {
        this.#known.delete(name);
        this.#count(program, NOTHING);
        if (isFinal(error)) this.#refused.set(name, error);
        this.#absences.note(name, error);
        throw error;
      },
    );
    // Whoever waits for it is told; there may be nobody.
    program.ready.catch(() => {});
    return program;
  }

  async #open(spec: Spec, program: Unpacked): Promise<void> {
    const { fetcher, openings, dir } = this.options;
    const cid = parseCid(spec.program.cid);
    const takeRoom = (bytes: number) => this.#makeRoom(program, { diskBytes: bytes, inodes: 1 });
    await using stack = new AsyncDisposableStack();
    try {
      const ground = { fetcher, openings, dir, takeRoom };
      const zip = await fetchArchive(ground, spec, stack).catch((error) => {
        throw noProgram(error);
      });
      const entries = await readZip(zip);
      assertEntrypoint(entries, spec.program.entrypoint);
      const footprint = footprintOf(entries);
      // Beside the archive, where that takes disk.
      await this.#makeRoom(program, sumOf(footprint, program.footprint));
      await unpackEntries(entries, zip, program.path);
      this.#count(program, footprint);
      await fetcher.judge(cid, true);
    } catch (error) {
      if (isFinal(error)) await fetcher.judge(cid, false);
      throw error;
    }
  }

  /** @throws KhachapuriError `overloaded` when what is in use leaves too little */
  async #makeRoom(program: Unpacked, footprint: Footprint): Promise<void> {
    this.#count(program, footprint);
    for (const [name, other] of this.#known) {
      if (this.#fits()) return;
      if (other.users > 0 || !other.isReady) continue;
      this.#known.delete(name);
      this.#count(other, NOTHING);
      await Deno.remove(other.path, { recursive: true }).catch(ignoreMissing);
    }
    if (this.#fits()) return;
    throw new KhachapuriError("overloaded", "there is no room to unpack another program", {
      retryAfterSeconds: 30,
      hints: ["nothing was charged; try again"],
    });
  }

  #fits(): boolean {
    const { diskBytes, inodes } = this.options.most ?? MOST;
    return this.#total.diskBytes <= diskBytes && this.#total.inodes <= inodes;
  }

  #count(program: Unpacked, { diskBytes, inodes }: Footprint): void {
    this.#total = {
      diskBytes: this.#total.diskBytes + diskBytes - program.footprint.diskBytes,
      inodes: this.#total.inodes + inodes - program.footprint.inodes,
    };
    program.footprint = { diskBytes, inodes };
  }
}

function sumOf(one: Footprint, other: Footprint): Footprint {
  return {
    diskBytes: one.diskBytes + other.diskBytes,
    inodes: one.inodes + other.inodes,
  };
}

/** The key is part of the name: knowing a private program's cid must not be enough. */
function nameOf({ program: { cid, key, entrypoint } }: Spec): string {
  return `${cid}:${key ?? ""}:${entrypoint}`;
}

/** What is seen to lack its entrypoint takes no disk; a link may lead to it. */
function assertEntrypoint(entries: readonly ZipEntry[], entrypoint: string): void {
  const path = normalize(entrypoint);
  const isLinked = entries.some(({ kind, path: link }) =>
    kind === "link" && (path === link || path.startsWith(`${link}/`))
  );
  if (isLinked) return;
  const entry = entries.find((one) => one.kind === "file" && one.path === path);
  if (entry?.executable) return;
  throw new KhachapuriError(
    "invalid_program",
    entry ? `${path} is not executable` : `the program has no file ${path}`,
    { hints: [MEND] },
  );
}

const MEND = "owner: mend the program and deploy again";

function noProgram(error: unknown): unknown {
  return unfit(error, "invalid_program", "what the program's cid holds is no program");
}

/** Whether a failure follows from the content alone. */
function isFinal(error: unknown): error is KhachapuriError {
  return error instanceof KhachapuriError && error.code === "invalid_program";
}

/** Removes what earlier processes left, one program after the other, while calls are served. */
class Sweep {
  readonly #done: Promise<void>;
  #isStopped = false;

  constructor(private readonly dir: string) {
    this.#done = this.#run();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#done;
  }

  async #run(): Promise<void> {
    for (const generation of await namesIn(this.dir)) {
      const folder = join(this.dir, generation);
      for (const name of await namesIn(folder)) {
        if (this.#isStopped) return;
        await Deno.remove(join(folder, name), { recursive: true }).catch(() => {});
      }
      await Deno.remove(folder, { recursive: true }).catch(() => {});
    }
  }
}

async function namesIn(dir: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(dir))).map(({ name }) => name);
  } catch {
    return [];
  }
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
