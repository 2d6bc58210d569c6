/**
 * Pushes of owners: who may, how much, and from the first byte to the answer that it is kept. All
 * that can be refused is refused before the body is asked for.
 */
import type { Address } from "viem";
import type { ByteSource } from "../../byte_source.ts";
import { parseCid } from "../../cid.ts";
import type { Clock } from "../../clock.ts";
import type { IpfsConfig } from "../../config_ipfs.ts";
import { KhachapuriError } from "../../errors.ts";
import { Leisure } from "../../leisure.ts";
import { PUSH_CAR_BYTES_MAX, PUSH_PACE_MS } from "../../limits_of_content.ts";
import type { Push } from "../../spec/push.ts";
import { within } from "../../within.ts";
import { CarIntake, type TakeBytes, takingInto } from "./car_intake.ts";
import type { Kept } from "./kept.ts";
import type { PartName } from "./kept_files.ts";
import { type Parts, takeFrom } from "./parts.ts";
import { bytesFor, type Place, type Quota, type Room } from "./room.ts";
import { Broken, diskRefused, receive } from "./upload.ts";

export interface IngestOptions {
  kept: Kept;
  parts: Parts;
  room: Room;
  policy: Pick<IpfsConfig, "bytesPerUsdc" | "bytesPerOwnerMax" | "keepSeconds">;
  /**
   * What an owner has allowed here, USDC base units.
   * @param from the caller's address, by which what strangers make us read is limited
   * @throws KhachapuriError `chain_unavailable`, `rate_limited`, `overloaded`
   */
  allowed(owner: Address, from: string): Promise<bigint>;
  /** A root is here that may have been looked for in vain. */
  onKept(root: Push["root"]): void;
  clock: Clock;
}

/** How a push comes. */
export interface Upload {
  readonly body: ByteSource | null;
  /** Where in the CAR it begins. */
  readonly offset: number;
  /** Its length as announced; null where it is not. */
  readonly bodyBytes: number | null;
  readonly from: string;
}

/** That a root is kept. */
export interface Receipt {
  readonly root: string;
  /** Of the CAR that is kept: whoever brought it may have written it otherwise. */
  readonly bytes: number;
  /** Unless a deployment needs it for longer, Unix seconds. */
  readonly keptUntil: bigint;
  readonly quota: Quota;
  /** Whether it was not here before. */
  readonly isNew: boolean;
}

/** What an owner has kept at another node. */
export interface Copy extends PartName {
  /** Of the whole CAR. */
  readonly bytes: number;
  /** When it was last seen that it is to be kept, Unix ms. */
  readonly at: number;
}

/** A CAR that comes. */
type Coming = Omit<Copy, "at"> & Partial<Pick<Copy, "at">>;

/** Whoever pushes what is just being pushed waits for the other: it may be its own, broken off. */
const WAIT_MS = PUSH_PACE_MS + 5_000;

export class Ingest {
  /** By root and owner. */
  readonly #coming = new Map<string, Promise<unknown>>();
  /** Their bodies. */
  readonly #bodies = new Set<ByteSource>();
  #isRetired = false;

  constructor(private readonly options: IngestOptions) {}

  /**
   * Takes a push whose signature was checked.
   * @throws KhachapuriError for everything that is wrong with it; the words say what to do
   */
  async take(push: Push, upload: Upload): Promise<Receipt> {
    assertSizes(push, upload);
    if (this.#isRetired) throw changing();
    this.#assertUnused(push);
    const allowed = await this.#allowedBytes(push.owner, upload.from);
    do {
      await this.#others(push);
      const here = await this.#keepLonger(push, allowed);
      if (here) return here;
      await this.#assertOffset(push, upload);
      await this.options.room.make(push.owner, Number(push.bytes), allowed);
    } while (this.#coming.has(keyOf(push)));
    if (this.#isRetired) throw changing();
    const place = this.#admit(push, allowed);
    await this.#comes({ ...push, bytes: Number(push.bytes) }, upload, place);
    return this.#receipt(push, Number(push.bytes), allowed, true);
  }

  /**
   * Takes a copy of what another node keeps for an owner, which may have it kept, as that one has
   * seen. It takes room that is free, and has nothing given up.
   * @param body null: it is only asked whether it is here
   * @returns whether it is kept here, for that owner and as long as there
   * @throws KhachapuriError `overloaded`, and for everything that is wrong with it
   */
  async takeCopy(copy: Copy, body: ByteSource | null): Promise<boolean> {
    const { kept, room } = this.options;
    do {
      if (this.#isRetired) throw changing();
      await this.#others(copy);
      if (await kept.protect(copy.root, copy.owner, copy.at)) return true;
    } while (this.#coming.has(keyOf(copy)));
    if (body === null) return false;
    if (copy.bytes > PUSH_CAR_BYTES_MAX) throw tooLarge();
    const place = room.take(copy.owner, copy.bytes, Infinity);
    await this.#comes(copy, { body, offset: 0 }, place);
    return true;
  }

  /** Nothing is awaited before it counts as coming. */
  async #comes(
    coming: Coming,
    upload: Pick<Upload, "body" | "offset">,
    place: Place,
  ): Promise<void> {
    this.options.parts.take(coming);
    const brought = this.#bring(coming, upload).finally(() => {
      place.free();
      this.#coming.delete(keyOf(coming));
    });
    this.#coming.set(keyOf(coming), brought);
    await brought;
    this.options.onKept(coming.root);
  }

  /**
   * How many of the CAR's bytes need not be sent: all of them when the owner has the root kept.
   * What others have is told to nobody; a push of it is answered without a byte.
   * @throws KhachapuriError as the allowance does; `payment_required` when it is none
   */
  async offset(push: Push, from: string): Promise<number> {
    await this.#allowedBytes(push.owner, from);
    await this.#others(push);
    const { kept, parts } = this.options;
    if (kept.index.isKeeper(push.owner, push.root)) return Number(push.bytes);
    return await parts.verified(push, Number(push.bytes));
  }

  #assertUnused({ nonce }: Push): void {
    if (this.options.kept.index.hasNonce(nonce)) throw replayed();
  }

  /** The same root of the same owner may be coming already. */
  async #others(part: PartName): Promise<void> {
    const coming = this.#coming.get(keyOf(part));
    if (coming && await within(coming.catch(() => {}), WAIT_MS) === "late") throw isComing();
  }

  /** @throws KhachapuriError `payment_required` when it is none */
  async #allowedBytes(owner: Address, from: string): Promise<number> {
    const { allowed, policy } = this.options;
    const amount = await allowed(owner, from);
    if (amount === 0n) throw nothingAllowed();
    return bytesFor(amount, policy);
  }

  /** Of a root that is here no byte has to come, whoever brought it. */
  async #keepLonger(push: Push, allowed: number): Promise<Receipt | null> {
    const { kept, room } = this.options;
    const known = kept.index.find(push.root);
    if (!known) return null;
    if (kept.index.isKeeper(push.owner, push.root)) {
      room.assertCovered(push.owner, known.bytes, allowed);
    } else {
      await room.make(push.owner, known.bytes, allowed);
      room.assertOwner(push.owner, known.bytes, allowed);
    }
    this.#use(push);
    if (!await kept.protect(push.root, push.owner)) return null;
    return this.#receipt(push, known.bytes, allowed, false);
  }

  async #assertOffset(push: Push, { offset }: Upload): Promise<void> {
    if (offset === 0) return;
    const here = await this.options.parts.verified(push, Number(push.bytes));
    if (here === offset) return;
    throw new KhachapuriError("invalid_input", `upload-offset is ${offset}, and ${here} are here`, {
      data: { uploadOffset: here },
      hints: ["ask with HEAD /ipfs from where to go on"],
    });
  }

  /** Takes what the push needs; nothing is awaited, so that pushes at once cannot share it. */
  #admit(push: Push, allowed: number): Place {
    const place = this.options.room.take(push.owner, Number(push.bytes), allowed);
    try {
      this.#use(push);
    } catch (error) {
      place.free();
      throw error;
    }
    return place;
  }

  #use({ nonce, expires }: Push): void {
    if (!this.options.kept.index.addNonce(nonce, expires)) throw replayed();
  }

  async #bring(
    coming: Coming,
    { body, offset }: Pick<Upload, "body" | "offset">,
  ): Promise<void> {
    const { kept, parts } = this.options;
    const intake = new CarIntake(parseCid(coming.root), coming.bytes);
    const leisure = new Leisure();
    const take = takingInto(intake, leisure);
    const file = await kept.files.openPart(coming).catch((cause) => {
      throw diskRefused(cause);
    });
    try {
      await takeFrom(file, offset, take);
      await file.truncate(offset);
      if (body) await this.#receive(body, file, take);
      if (intake.taken < coming.bytes) throw tooShort(coming, intake);
      const places = await leisure.steps(intake.end());
      await file.syncData();
      await kept.add(coming, coming.bytes, places, coming.at);
    } catch (error) {
      if (error instanceof Broken) {
        await file.truncate(intake.verified);
        parts.put(coming, intake.verified);
      } else await kept.files.removePart(coming);
      throw error;
    } finally {
      file.close();
    }
  }

  async #receive(body: ByteSource, file: Deno.FsFile, take: TakeBytes): Promise<void> {
    this.#bodies.add(body);
    await receive(body, file, take, this.options.clock).finally(() => this.#bodies.delete(body));
  }

  /**
   * Another process takes pushes from now on. Those under way have `graceMs` to end; the others
   * break off, and their pushers go on from there with the other one.
   */
  async retire(graceMs: number): Promise<void> {
    this.#isRetired = true;
    const all = () => Promise.allSettled(this.#coming.values());
    await within(all(), graceMs);
    for (const body of this.#bodies) body.cancel();
    await all();
  }

  #receipt({ owner, root }: Push, bytes: number, allowed: number, isNew: boolean): Receipt {
    const { room, policy, clock } = this.options;
    const now = BigInt(Math.floor(clock.now() / 1_000));
    return {
      root,
      bytes,
      keptUntil: now + BigInt(policy.keepSeconds),
      quota: { used: room.used(owner), allowed },
      isNew,
    };
  }
}

/** What needs no look at anything. */
function assertSizes({ bytes }: Push, { offset, bodyBytes, body }: Upload): void {
  if (bytes > BigInt(PUSH_CAR_BYTES_MAX)) throw tooLarge();
  const left = Number(bytes) - offset;
  if (left < 0) throw unfitting(`upload-offset is behind the end, which is ${bytes}`);
  const announced = body === null ? 0 : bodyBytes ?? left;
  if (announced !== left) {
    throw unfitting(`the body has ${announced} bytes, and ${left} are left of what was signed`);
  }
}

function tooLarge(): KhachapuriError {
  const message = `a CAR has at most ${PUSH_CAR_BYTES_MAX} bytes here`;
  return new KhachapuriError("body_too_large", message, { data: { limit: PUSH_CAR_BYTES_MAX } });
}

function tooShort({ bytes }: Coming, { taken }: CarIntake): Broken {
  return new Broken(`the push ended after ${taken} of ${bytes} bytes`);
}

function unfitting(message: string): KhachapuriError {
  return new KhachapuriError("invalid_input", message);
}

function replayed(): KhachapuriError {
  return new KhachapuriError("invalid_signature", "this push was made before", {
    hints: ["sign it anew, with another nonce"],
  });
}

function nothingAllowed(): KhachapuriError {
  const message = "content is kept here for owners who have credits allowed, and this one has none";
  return new KhachapuriError("payment_required", message, {
    hints: [
      "khachapuri allow NAME --credits N, and push again",
      "or publish it elsewhere: deploy --kubo URL, or --out DIR",
    ],
  });
}

function changing(): KhachapuriError {
  return new KhachapuriError("overloaded", "the provider starts anew", {
    retryAfterSeconds: 1,
    hints: ["push again: it goes on from what has come"],
  });
}

function isComing(): KhachapuriError {
  return new KhachapuriError("rate_limited", "this content is being pushed right now", {
    retryAfterSeconds: 5,
  });
}

function keyOf({ root, owner }: PartName): string {
  return `${root} ${owner}`;
}
