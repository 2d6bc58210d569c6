/**
 * Admission: how many runs at once, and how many credits a minute strangers may cost an owner.
 * A refusal is free and says when to come back.
 */
import { KhachapuriError } from "../../errors.ts";
import type { Bill } from "../money/bill.ts";
import type { Deployment } from "../deployment/deployments.ts";
import { createRecent } from "../../lru.ts";

export interface Slot {
  /** The run has ended (or never began); calling it again does nothing. */
  free(): void;
  /** The call cost nothing: it does not count against the owner's rate either. */
  undo(): void;
}

export interface Slots {
  /** @throws KhachapuriError `rate_limited` (429), `overloaded` (503), both with Retry-After */
  take(deployment: Deployment, bill: Bill): Slot;
  /** Runs going on now. */
  busy(): number;
}

/** A bucket that refills evenly: `perMinute` at once, then one every 60 / perMinute seconds. */
interface Bucket {
  tokens: number;
  at: number;
}

/** Buckets kept; a deployment beyond it starts with a full one. */
const BUCKETS_MAX = 50_000;

export function createSlots(concurrency: number, now: () => number = Date.now): Slots {
  let busy = 0;
  const running = new Map<string, number>();
  const buckets = createRecent<Bucket>(BUCKETS_MAX);

  function bucketOf(key: string, perMinute: number): Bucket {
    const at = now();
    const known = buckets.get(key);
    const bucket = known ?? { tokens: perMinute, at };
    if (!known) buckets.set(key, bucket);
    const refilled = bucket.tokens + (at - bucket.at) * perMinute / 60_000;
    bucket.tokens = Math.min(perMinute, refilled);
    bucket.at = at;
    return bucket;
  }

  function takeToken(key: string, { limits }: Deployment["spec"]): Bucket {
    const bucket = bucketOf(key, limits.ownerCreditsPerMinute);
    if (bucket.tokens < 1) {
      const seconds = (1 - bucket.tokens) * 60 / limits.ownerCreditsPerMinute;
      throw new KhachapuriError(
        "rate_limited",
        `the owner pays for ${limits.ownerCreditsPerMinute} calls a minute`,
        { retryAfterSeconds: Math.ceil(seconds), hints: ["or pay with a permit of your own"] },
      );
    }
    bucket.tokens -= 1;
    return bucket;
  }

  return {
    busy: () => busy,
    take(deployment, bill) {
      const { id, owner, limits } = deployment.spec;
      const key = `${owner}:${id}`;
      const runs = running.get(key) ?? 0;
      if (runs >= limits.concurrency) {
        throw new KhachapuriError(
          "rate_limited",
          `this deployment runs ${limits.concurrency} calls at a time`,
          { retryAfterSeconds: 1 },
        );
      }
      if (busy >= concurrency) {
        throw new KhachapuriError("overloaded", "all slots of this provider are busy", {
          retryAfterSeconds: 1,
        });
      }
      const bucket = bill.source === "owner" ? takeToken(key, deployment.spec) : null;
      busy += 1;
      running.set(key, runs + 1);
      let taken = true;
      function free(): void {
        if (!taken) return;
        taken = false;
        busy -= 1;
        const left = running.get(key)! - 1;
        if (left > 0) running.set(key, left);
        else running.delete(key);
      }
      return {
        free,
        undo() {
          if (taken && bucket) bucket.tokens += 1;
          free();
        },
      };
    },
  };
}
