/**
 * Charges owners for what their servers did and no request asked for: a start that failed, or work
 * while it was to stand still. Each costs this machine about what a run does, and no caller had
 * anything of it.
 */
import type { KhachapuriError } from "../../errors.ts";
import { asKhachapuriError } from "../../errors.ts";
import type { Deployment } from "../deployment/deployment.ts";
import type { PaymentScheme } from "../money/scheme.ts";
import type { ServerEvent } from "../server/life.ts";
import type { CallMoney, CallRecords } from "./parts.ts";

export interface OwnerDebitParts {
  money: CallMoney;
  records: Pick<CallRecords, "runs" | "credits" | "registrations" | "log">;
}

export class OwnerDebits {
  /** Charges under way. */
  readonly #pending = new Set<Promise<void>>();

  constructor(private readonly parts: OwnerDebitParts) {}

  /** Takes a credit where the event is one that costs the owner. */
  note(deployment: Deployment, event: ServerEvent): void {
    if (!isOwners(event)) return;
    const charged = this.#charge(deployment).catch((error) => {
      // Its server is not started again for a while, whether it pays or not.
      this.#notPaid(deployment, asKhachapuriError(error));
    });
    this.#pending.add(charged);
    charged.finally(() => this.#pending.delete(charged));
  }

  /** Resolves when all that was taken is charged. */
  async settled(): Promise<void> {
    await Promise.all(this.#pending);
  }

  async #charge(deployment: Deployment): Promise<void> {
    const { money, records } = this.parts;
    const scheme = ownersScheme(money);
    const hold = await scheme.hold(await scheme.admit(scheme.ownersBill(deployment)));
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
  if (event.kind === "failed") return event.why.code.startsWith("program_");
  return event.kind === "ended" && event.why === "escaped";
}

/** The last one takes what none before it does, as of a request that brings no payment. */
function ownersScheme({ schemes }: CallMoney): PaymentScheme {
  return schemes.at(-1)!;
}
