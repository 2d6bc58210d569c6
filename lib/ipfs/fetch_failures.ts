/** Why a file could not be had from anybody, in words for whoever wanted it. */
import { type CID, formatCid } from "../cid.ts";
import { KhachapuriError } from "../errors.ts";
import { IPFS_DEADLINE_MS } from "../limits.ts";
import type { Operator } from "./operator.ts";

const LIAR_HINTS = ["a gateway that sends wrong bytes is not asked again; configure another one"];
const UNAVAILABLE_HINTS = ["check that the `gateways` in config.json can be reached from here"];

/** Each of those that were asked has failed. */
export function allFailed(cid: CID, errors: readonly unknown[]): KhachapuriError {
  const cause = new AggregateError(errors, "what the gateways said");
  const failures = errors.filter((error) => error instanceof KhachapuriError);
  const count = (code: string) => failures.filter((error) => error.code === code).length;
  const [absent, lies] = [count("not_found"), count("ipfs_mismatch")];
  if (absent === errors.length) {
    return new KhachapuriError("not_found", `no gateway has ${formatCid(cid)}`, {
      cause,
      hints: [
        "one wrong letter makes another cid: compare it with the one that deploy printed",
        "else publish it first, or add a gateway that has it to `gateways` in config.json",
      ],
    });
  }
  if (absent + lies === errors.length) {
    const message = `what gateways sent for ${formatCid(cid)} is not that content`;
    return new KhachapuriError("ipfs_mismatch", message, { cause, hints: LIAR_HINTS });
  }
  const waits = failures.flatMap(({ retryAfterSeconds }) => retryAfterSeconds ?? []);
  return new KhachapuriError(
    "ipfs_unavailable",
    `${errors.length} gateway${errors.length === 1 ? "" : "s"} asked, none delivered ${
      formatCid(cid)
    }`,
    { cause, hints: UNAVAILABLE_HINTS, retryAfterSeconds: Math.min(...waits, 10) },
  );
}

/** None of the gateways, which these operators have, may be asked now. */
export function nobodyToAsk(operators: readonly Operator[]): KhachapuriError {
  if (operators.length === 0) {
    return new KhachapuriError("ipfs_unavailable", "no IPFS gateway is configured", {
      hints: ["name a trustless gateway in `gateways` of config.json"],
    });
  }
  const honest = operators.filter((operator) => !operator.hasLied());
  if (honest.length === 0) {
    const message = "every configured gateway has sent wrong bytes";
    return new KhachapuriError("ipfs_mismatch", message, { hints: LIAR_HINTS });
  }
  return new KhachapuriError("ipfs_unavailable", "every IPFS gateway asked us to wait", {
    retryAfterSeconds: Math.min(...honest.map((operator) => operator.waitSeconds())),
  });
}

/** What is kept here is all that can be had. */
export function notKept(cid: CID): KhachapuriError {
  const message = `${formatCid(cid)} is not kept here, and no IPFS gateway is asked`;
  return new KhachapuriError("not_found", message, {
    hints: [
      "one wrong letter makes another cid: compare it with the one that deploy printed",
      "else deploy it to this provider, or name a trustless gateway in `gateways` of config.json",
    ],
  });
}

/** All together took too long. */
export function tooLate(cid: CID): KhachapuriError {
  return new KhachapuriError(
    "ipfs_unavailable",
    `${formatCid(cid)} did not arrive within ${IPFS_DEADLINE_MS / 1_000} s`,
    { hints: UNAVAILABLE_HINTS },
  );
}
