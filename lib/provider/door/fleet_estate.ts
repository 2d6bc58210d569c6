/**
 * How a fleet's node passes its place on to another process of it. That one has joined the fleet by
 * itself: each charges its own runs, so that of money nothing passes on.
 */
import { asKhachapuriError } from "../../errors.ts";
import type { Log } from "../../log.ts";
import type { PostgresIdempotency } from "../call/postgres_idempotency.ts";
import type { Records } from "../deployment/records.ts";
import { type Desk, type DeskParts, GuestDesk } from "../handover/desk.ts";
import type { FleetExact } from "../settlement/exact/fleet_exact.ts";
import type { FleetPayments } from "../settlement/fleet/fleet_payments.ts";
import { type BesideBooks, type Estate, tellRunLog, type UnderWay } from "./estate.ts";
import type { Membership } from "./membership.ts";

export interface FleetEstateParts extends BesideBooks {
  payments: Pick<FleetPayments, "ledger" | "sender" | "settlement" | "resign">;
  exact: Pick<FleetExact, "purchases" | "settler">;
  answers: PostgresIdempotency;
  records: Pick<Records, "runLog">;
  member: Pick<Membership, "leaveFiles">;
  log: Log;
}

export class FleetEstate implements Estate {
  constructor(private readonly parts: FleetEstateParts) {}

  keepLanes(): void {}

  /** Another node leads, without waiting until this one is silent. */
  async drain(): Promise<void> {
    const { payments, log } = this.parts;
    await payments.resign().catch((thrown) => {
      const error = asKhachapuriError(thrown);
      log.warn("the others hear late that this node leads no more", { error });
    });
  }

  async retire(): Promise<void> {
    const { content, naming, member } = this.parts;
    await Promise.all([this.drain(), content.retire(), naming?.retire(), member.leaveFiles()]);
  }

  handOver(heir: Promise<Desk>): Promise<UnderWay> {
    tellRunLog(this.parts.records, heir);
    return Promise.resolve({ purchases: [], claims: [] });
  }

  deskFor(left: UnderWay): GuestDesk {
    const { payments, exact, answers, records: { runLog } } = this.parts;
    const { ledger, sender, settlement } = payments;
    const { purchases, settler } = exact;
    const parts: DeskParts = {
      ...{ ledger, purchases, settler, operator: sender, answers, runLog },
      // Nothing of a fleet is a guest's: its runs are its own session's.
      purchased: { get: (id) => purchases.get(id), adopt() {} },
      running: { adopt() {}, letGo() {} },
      onCharge: () => settlement.noticeCharge(),
    };
    return new GuestDesk(parts, { ...left, holds: [] });
  }
}
