/** The provider that runs, as who takes its place sees it: asked for the books, and served then. */
import * as v from "valibot";
import type { ProviderConfig } from "../../config.ts";
import { KhachapuriError } from "../../errors.ts";
import { parseShape } from "../../shape.ts";
import { connectControl, failureOf } from "../control/control_client.ts";
import type { LineConnection } from "../control/lines.ts";
import type { Denial } from "../denial/denial.ts";
import { type GuestDesk, serviceOf } from "../handover/desk.ts";
import { type Talk, talkOver } from "../handover/talk.ts";
import type { Stops } from "../deployment/stops.ts";
import type { UnderWay } from "./estate.ts";

/** What two processes must agree on to hand books over. */
export const HANDOVER_VERSION = 1;

/** What the predecessor tells with the books. */
export interface Bequest extends UnderWay {
  /** That its programs run as, and those of processes before it. */
  readonly uids: readonly number[];
}

const agreedShape = v.union([
  v.object({
    failed: v.object({ code: v.string(), message: v.string(), hints: v.array(v.string()) }),
  }),
  v.object({
    agreed: v.object({
      /** Of the folders that it uses. */
      generation: v.number(),
      pid: v.number(),
      /** Where it listens: as configured, and what came of it. */
      listen: v.string(),
      url: v.string(),
      /** Whether its books are a fleet's; earlier releases have none. */
      isFleets: v.optional(v.boolean(), false),
    }),
  }),
]);

type Agreed = Extract<v.InferOutput<typeof agreedShape>, { agreed: unknown }>["agreed"];

/** The provider that runs, which has agreed to hand over. */
export class Predecessor {
  #desk: GuestDesk | null = null;
  readonly #bequest = Promise.withResolvers<Bequest>();
  readonly #talk: Talk;

  /**
   * @returns null when no provider runs on these books
   * @throws KhachapuriError when it does not hand over: `not_implemented` where its release cannot
   */
  static async of(book: string): Promise<Predecessor | null> {
    const lines = await connectControl(book);
    if (lines === null) return null;
    try {
      await lines.send({ verb: "take-over", body: { version: HANDOVER_VERSION } });
      const said = parseShape(agreedShape, await lines.next(), "answer", "provider_unavailable");
      if ("failed" in said) throw failureOf(said.failed);
      return new Predecessor(lines, said.agreed);
    } catch (error) {
      lines.close();
      throw error;
    }
  }

  private constructor(lines: LineConnection, readonly agreed: Agreed) {
    const takeBooks = (bequest: Bequest) => this.#bequest.resolve(bequest);
    this.#talk = talkOver(lines, (name) => {
      if (name === "yours") return takeBooks;
      return this.#desk ? serviceOf(this.#desk, name) : undefined;
    });
    this.#bequest.promise.catch(() => {});
    this.#talk.ended.then(() => this.#bequest.reject(gone()));
  }

  /**
   * Refuses to take money out of one kind of books and go on with another.
   * @throws KhachapuriError `access_denied`
   */
  assertSameBooks({ ledger: { postgres } }: Pick<ProviderConfig, "ledger">): void {
    if (this.agreed.isFleets === (postgres !== undefined)) return;
    const message = "the provider that runs has its ledger elsewhere: " +
      (postgres === undefined ? "in its fleet's database" : "in files of this machine");
    throw new KhachapuriError("access_denied", message, {
      hints: ["stop it, move the ledger by khachapuri ledger export and import, start it anew"],
    });
  }

  /** Resolves when its process has ended, however. */
  get ended(): Promise<void> {
    return this.#talk.ended;
  }

  /**
   * Has it hand over; from when this resolves the books are nobody's.
   * @throws KhachapuriError `provider_unavailable` when it ended before
   */
  async books(): Promise<Bequest> {
    this.#talk.tell("ready");
    return await this.#bequest.promise;
  }

  /**
   * Its place is taken: requests that reach it still are to be carried to `path`.
   * @param desk for its runs; what they hold is given back when it has ended
   */
  replaced(path: string, desk: GuestDesk, stops: Pick<Stops, "onStop">): void {
    this.#desk = desk;
    const unhear = stops.onStop((spec) => this.#talk.tell("stopped", spec));
    this.#talk.ended.then(() => {
      unhear();
      desk.leave();
    });
    this.#talk.tell("serving", path);
  }

  /** The operator has denied somebody: what of theirs runs there ends, too. */
  denied({ kind, what }: Denial): void {
    this.#talk.tell("denied", { kind, what });
  }

  /** This process ends, and cannot keep its books for long. */
  askToStop(): void {
    this.#talk.tell("stop");
  }

  /** It goes on as if nobody had asked, unless the books were handed over. */
  leave(): void {
    this.#talk.close();
  }
}

function gone(): KhachapuriError {
  return new KhachapuriError("provider_unavailable", "the provider that ran ended meanwhile", {
    hints: ["start this one anew: what was charged is in its books"],
  });
}
