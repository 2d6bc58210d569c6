/** What owners have kept, on a real disk, with allowances and a clock that a test sets. */
import { join } from "node:path";
import type { Address, Hex } from "viem";
import { chunksSource } from "../../lib/byte_source.ts";
import type { ByteSource } from "../../lib/byte_source.ts";
import { type CidText, formatCid } from "../../lib/cid.ts";
import type { IpfsConfig } from "../../lib/config_ipfs.ts";
import { writeCar } from "../../lib/ipfs/car.ts";
import { importFile } from "../../lib/ipfs/dag.ts";
import { Ingest, type Receipt } from "../../lib/provider/content/ingest.ts";
import { Kept } from "../../lib/provider/content/kept.ts";
import { Parts } from "../../lib/provider/content/parts.ts";
import { Retention } from "../../lib/provider/content/retention.ts";
import { bytesFor, Room } from "../../lib/provider/content/room.ts";
import type { Push } from "../../lib/spec/push.ts";
import { manualClock } from "../clock.ts";
import { hearLog } from "../heard_log.ts";
import { makeFolder } from "../home.ts";

export const OWNER: Address = `0x${"11".repeat(20)}`;
export const OTHER: Address = `0x${"22".repeat(20)}`;

const MIB = 2 ** 20;
const HOUR_MS = 3_600_000;

export type Policy = Omit<IpfsConfig, "push" | "public">;

export interface Car {
  readonly root: CidText;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** A CAR of a file of so many bytes, another for each `seed`. */
export function carOfBytes(bytes: number, seed = 1): Car {
  const content = new Uint8Array(bytes);
  for (let index = 0; index < bytes; index += 61) content[index] = index * seed % 253;
  new DataView(content.buffer).setUint32(0, seed);
  const dag = importFile(content, { chunkBytes: 64 * 1024, widthMax: 64 });
  return { root: formatCid(dag.root), bytes: writeCar(dag) };
}

let nonces = 0;

/** As it was after its signature was checked. */
export function pushOf({ root, bytes }: Car, changes: Partial<Push> = {}): Push {
  const nonce: Hex = `0x${(++nonces).toString(16).padStart(64, "0")}`;
  const signature: Hex = `0x${"00".repeat(65)}`;
  const expires = 2n ** 40n;
  return { root, bytes: BigInt(bytes.length), owner: OWNER, expires, nonce, signature, ...changes };
}

export type PushWorld = Awaited<ReturnType<typeof openPushWorld>>;

/** A provider that keeps a MiB for each USDC; owners have allowed 4. */
export async function openPushWorld(changes: Partial<Policy> = {}) {
  const folder = await makeFolder();
  const clock = manualClock();
  const { log, ...heard } = hearLog();
  const allowed = new Map<Address, bigint | null>([[OWNER, 4_000_000n], [OTHER, 4_000_000n]]);
  const stopped = new Set<Hex>();
  const arrived: string[] = [];
  const policy: Policy = {
    bytesPerUsdc: MIB,
    bytesPerOwnerMax: 8 * MIB,
    bytesMax: 16 * MIB,
    keepSeconds: 86_400,
    ...changes,
  };
  const dir = join(folder.dir, "kept");
  const allowedOf = (owner: Address) => Promise.resolve(allowed.get(owner) ?? null);

  async function open() {
    const indexPath = join(folder.dir, "content.db");
    const kept = await Kept.open({ dir, indexPath, log, now: clock.now });
    const parts = await Parts.open(kept.files, clock.now);
    const retention = new Retention({
      kept,
      isStopped: ({ id }) => stopped.has(id),
      allowedBytes: async (owner) => {
        const amount = await allowedOf(owner);
        return amount === null ? null : bytesFor(amount, policy);
      },
      keepMs: policy.keepSeconds * 1_000,
      now: clock.now,
    });
    const room = new Room({ kept, parts, retention, ...policy });
    const ingest = new Ingest({
      kept,
      parts,
      room,
      policy,
      allowed: async (owner) => await allowedOf(owner) ?? 0n,
      onKept: (root) => void arrived.push(root),
      clock,
    });
    return { kept, parts, retention, room, ingest };
  }

  const world = {
    ...heard,
    dir,
    clock,
    allowed,
    stopped,
    arrived,
    ...await open(),
    /** As a process does that was killed: nothing is closed in good order. */
    async reopen(): Promise<void> {
      world.kept.close();
      Object.assign(world, await open());
    },
    /** Pushes a whole CAR, or its rest. */
    push(car: Car, push = pushOf(car), offset = 0, body?: ByteSource): Promise<Receipt> {
      return world.ingest.take(push, {
        body: body ?? piecesOf(car.bytes.subarray(offset)),
        offset,
        bodyBytes: null,
        from: "203.0.113.7",
      });
    },
    /** The names in the folder. */
    files: async () => (await Array.fromAsync(Deno.readDir(dir))).map(({ name }) => name).sort(),
    hours: (hours: number) => clock.advance(hours * HOUR_MS),
    async [Symbol.asyncDispose](): Promise<void> {
      world.kept.close();
      await folder[Symbol.asyncDispose]();
    },
  };
  return world;
}

/** A body in pieces as a socket has them. */
export function piecesOf(bytes: Uint8Array, pieceBytes = 16 * 1024): ByteSource {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    pieces.push(bytes.subarray(at, at + pieceBytes));
  }
  return chunksSource(pieces);
}

/** A body that a test sends piece by piece. */
export function sentBody() {
  const pieces: Uint8Array[] = [];
  let waiting: PromiseWithResolvers<Uint8Array | null> | null = null;
  let end: Error | "end" | null = null;
  const serve = () => {
    if (!waiting) return;
    const { resolve, reject } = waiting;
    if (pieces.length > 0) resolve(pieces.shift()!);
    else if (end === "end") resolve(null);
    else if (end) reject(end);
    else return;
    waiting = null;
  };
  const asked = Promise.withResolvers<void>();
  let wanted = Promise.withResolvers<void>();
  const body: ByteSource = {
    read() {
      asked.resolve();
      waiting = Promise.withResolvers();
      const { promise } = waiting;
      serve();
      if (waiting) {
        wanted.resolve();
        wanted = Promise.withResolvers();
      }
      return promise;
    },
    cancel() {
      end ??= "end";
      serve();
    },
  };
  return {
    body,
    /** Resolves when the body is wanted. */
    asked: asked.promise,
    /** Resolves when what was sent is taken, and more is wanted. */
    async taken(): Promise<void> {
      while (pieces.length > 0 || !waiting) await wanted.promise;
    },
    send(...more: readonly Uint8Array[]) {
      pieces.push(...more);
      serve();
    },
    end() {
      end = "end";
      serve();
    },
    breakOff() {
      end = new Error("the caller hung up");
      serve();
    },
  };
}
