/** What the operator's outbox says, to senders and to the log. */
import type { GiveUp, Notice } from "../../chain/outbox/options.ts";
import { KhachapuriError } from "../../errors.ts";
import type { Log } from "../../log.ts";

const GIVEN_UP: Readonly<Record<GiveUp["reason"], string>> = {
  "used elsewhere": "the operator's nonce was used elsewhere",
  "far ahead": "the operator's nonce is far ahead",
  "late": "the operator's transaction was not mined in time",
  "not accepted": "the operator's transaction was not accepted",
  "gave way": "it gave way to a settlement",
};

/** For the sender of a transaction that is given up. */
export function wordGiveUp({ reason }: GiveUp): KhachapuriError {
  if (reason === "gave way") {
    return new KhachapuriError("chain_unavailable", GIVEN_UP[reason], {
      retryAfterSeconds: 10,
      hints: ["nothing was done: try again"],
    });
  }
  return new KhachapuriError("chain_unavailable", GIVEN_UP[reason], {
    hints: ["use the operator key on one provider only"],
  });
}

export function logNotice(log: Log, notice: Notice): void {
  switch (notice.kind) {
    case "not accepted": {
      const { nonce, failure: { message } } = notice;
      return log.debug("operator transaction not accepted yet", { nonce, message });
    }
    case "raised":
      return log.warn("operator transaction stuck, fee raised", {
        nonce: notice.nonce,
        maxFeePerGas: notice.fees.maxFeePerGas,
      });
    case "gives way":
      return log.info("relay gives way to settlement", { nonce: notice.nonce });
    case "filling":
      return log.warn("filling the operator's free nonces", {
        from: notice.from,
        below: notice.below,
      });
    case "given up":
      return log.error("operator transaction given up", {
        nonce: notice.nonce,
        why: GIVEN_UP[notice.reason],
      });
    case "put off":
      return log.warn("looking for receipts again", { message: notice.failure.message });
  }
}
