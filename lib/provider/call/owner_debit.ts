/**
 * Charges owners for what their servers did and no request asked for: a start that failed, or work
 * while it was to stand still. Each costs this machine about what a run does, and no caller had
 * anything of it.
 */
import { asKhachapuriError, isProgramsOwn, type KhachapuriError } from "../../errors.ts";
import type { Deployment } from "../deployment/deployment.ts";
import type { PaymentScheme } from "../money/scheme.ts";
import type { ServerEvent } from "../server/life.ts";
import type { CallMoney, CallRecords, StartDebits } from "./parts.ts";
import type { Slots } from "./slots.ts";

export interface OwnerDebitParts {
  money: Pick<CallMoney, "schemes">;
  slots: Pick<Slots, "debit">;
  records: Pick<CallRecords, "runs" | "credits" | "registrations" | "log">;
}

export class OwnerDebits implements StartDebits {
  /** Charges under way. */
  readonly #pending = new Set<Promise<boolean>>();
  /** Of starts that failed, by what those were told who waited for them. */
  readonly #starts = new WeakMap<KhachapuriError, Promise<boolean>>();

  constructor(private readonly parts: OwnerDebitParts) {}

  /** Takes a credit where the event is one that costs the owner. */
  note(deployment: Deployment, event: ServerEvent): void {
    if (!isOwners(event)) return;
    const charged = this.#charge(deployment).then(() => true, (error) => {
      // Its server is not started again for a while, whether it pays or not.
      this.#notPaid(deployment, asKhachapuriError(error));
      return false;
    });
    if (event.kind === "failed") this.#starts.set(event.why, charged);
    this.#pending.add(charged);
    charged.finally(() => this.#pending.delete(charged));
  }

  of(why: KhachapuriError): Promise<boolean> | null {
    return this.#starts.get(why) ?? null;
  }

  /** Resolves when all that was taken is charged. */
  async settled(): Promise<void> {
    await Promise.all(this.#pending);
  }

  /** Counts against what strangers may cost the owner, as any call does that it pays for. */
  async #charge(deployment: Deployment): Promise<void> {
    const { money, records, slots } = this.parts;
    const giveBack = slots.debit(deployment);
    const scheme = ownersScheme(money);
    const hold = await scheme.admit(scheme.ownersBill(deployment))
      .then((admission) => scheme.hold(admission))
      .catch((error) => {
        giveBack();
        throw error;
      });
    records.registrations.add(deployment);
    await hold.charge("failed", null);
    records.runs.add({ paid_by: "owner", outcome: "failed" });
    records.credits.add({ paid_by: "owner" }, hold.credits);
  }

  #notPaid({ cid }: Deployment, error: KhachapuriError): void {
    const facts = { cid, code: error.code, message: error.shortMessage };
    this.parts.records.log.debug("an owner did not pay for its server's failure", facts);
  }
}

/** What our side failed at is nobody's to pay. */
function isOwners(event: ServerEvent): boolean {
  if (event.kind === "failed") return isProgramsOwn(event.why);
  return event.kind === "ended" && event.why === "escaped";
}

/** The last one takes what none before it does, as of a request that brings no payment. */
function ownersScheme({ schemes }: Pick<CallMoney, "schemes">): PaymentScheme {
  return schemes.at(-1)!;
}
