/**
 * Keeps what is pushed to it, gives up what is over its time or has others want of room, and
 * sweeps, all at once, until it is killed. It says `kept ROOT` when a push was answered, and
 * `gone ROOT` before it gives one up.
 */
import { join } from "node:path";
import type { ByteSource } from "../../lib/byte_source.ts";
import { systemClock } from "../../lib/clock.ts";
import { silentLog } from "../../lib/log.ts";
import { Ingest } from "../../lib/provider/content/ingest.ts";
import { Kept } from "../../lib/provider/content/kept.ts";
import { Parts } from "../../lib/provider/content/parts.ts";
import { Retention } from "../../lib/provider/content/retention.ts";
import { Room } from "../../lib/provider/content/room.ts";
import { randomOf } from "../random.ts";
import { type Car, carOfBytes, piecesOf, pushOf } from "./push_world.ts";

const MANY = 2 ** 40;
/** Of what is pushed, so that what came first has to go for what comes. */
const ROOM_BYTES = 2 ** 21;
const KEEP_MS = 300;

/** Opens what an earlier one left in `dir`, with room for so many bytes. */
export async function openKeeper(dir: string, bytesMax = MANY) {
  const { now } = Date;
  const indexPath = join(dir, "content.db");
  const kept = await Kept.open({ dir: join(dir, "kept"), indexPath, log: silentLog, now });
  const parts = await Parts.open(kept.files, now);
  const allowed = () => Promise.resolve(BigInt(MANY));
  const allowedBytes = () => Promise.resolve(MANY);
  const isStopped = () => false;
  const retention = new Retention({ kept, isStopped, allowedBytes, keepMs: KEEP_MS, now });
  const room = new Room({ kept, parts, retention, bytesMax, bytesPerOwnerMax: MANY });
  const policy = { bytesPerUsdc: MANY, bytesPerOwnerMax: MANY, keepSeconds: MANY };
  const ingest = new Ingest({
    kept,
    parts,
    room,
    policy,
    allowed,
    onKept() {},
    clock: systemClock,
  });
  return { kept, parts, retention, ingest };
}

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

/** Ends after so many bytes without having ended. */
function broken(bytes: Uint8Array, after: number): ByteSource {
  const whole = piecesOf(bytes.subarray(0, after));
  const read = async () => {
    const piece = await whole.read();
    if (piece === null) throw new Error("the caller hung up");
    return piece;
  };
  return { read, cancel: () => whole.cancel() };
}

async function keepOn(dir: string, seed: number): Promise<void> {
  const { kept, parts, retention, ingest } = await openKeeper(dir, ROOM_BYTES);
  const random = randomOf(seed);
  const push = async (car: Car) => {
    const offset = await ingest.offset(pushOf(car), "203.0.113.7");
    const rest = car.bytes.subarray(offset);
    const isBroken = random.chance(0.3);
    const body = isBroken ? broken(rest, random.between(0, rest.length)) : piecesOf(rest);
    const nonce = `0x${crypto.getRandomValues(new Uint8Array(32)).toHex()}` as const;
    const upload = { body, offset, bodyBytes: null, from: "203.0.113.7" };
    const receipt = await ingest.take(pushOf(car, { nonce }), upload).catch(() => null);
    if (receipt) say(`kept ${receipt.root}`);
  };
  const release = kept.release.bind(kept);
  kept.release = (keeper) => {
    say(`gone ${keeper.root}`);
    return release(keeper);
  };
  say("open");
  const workers = [0, 1, 2].map(async (worker) => {
    for (;;) {
      if (random.chance(0.05)) await retention.sweep().then(() => parts.sweep());
      // Nobody else pushes what this worker does.
      else await push(carOfBytes(random.between(1, 400_000), random.between(0, 9) * 3 + worker));
    }
  });
  await Promise.all(workers);
}

if (import.meta.main) await keepOn(Deno.args[0]!, Number(Deno.args[1]));
