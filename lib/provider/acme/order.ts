/** One order at a CA, from its names to the certificate (RFC 8555, section 7.4). */
import type { Clock } from "../../clock.ts";
import type { ChallengeType } from "../../config_acme.ts";
import { asKhachapuriError, KhachapuriError } from "../../errors.ts";
import { ORDER_TIMEOUT_MS } from "../../limits_of_certificates.ts";
import type { Log } from "../../log.ts";
import { type CaAuthorization, type CaOrder, type CaSession, problemIn } from "./ca_session.ts";
import type { Challenger, Challengers, Proof } from "./challenge.ts";
import { refusalOf } from "./problem.ts";
import { until } from "./waiting.ts";

export interface OrderParts {
  readonly ca: CaSession;
  readonly names: readonly string[];
  /** The certificate's key, PEM. */
  readonly key: string;
  /** Where an order was begun that may go on; null: none was. */
  readonly begunAt: string | null;
  /** It is on disk where the order is before anything is done for it. */
  noteBegun(url: string): Promise<void>;
  /** The certificate that this one follows, as RFC 9773 names it. */
  readonly replaces: string | null;
  challengeOf(isWildcard: boolean): ChallengeType;
  readonly challengers: Challengers;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly log: Log;
}

/** Between two looks at what the CA does, ms. */
const FIRST_LOOK_MS = 250;
const LONGEST_LOOK_MS = 5_000;

/**
 * Has a certificate for `names`.
 * @returns its chain, PEM
 * @throws KhachapuriError `no_certificate`, in the CA's words where it said why
 */
export async function conductOrder(parts: OrderParts): Promise<string> {
  const { ca, names } = parts;
  let order = await beginOrder(parts);
  let isShown = false;
  const look = new Looks(parts);
  for (;;) {
    if (order.status === "valid") return await ca.certificate(order);
    if (order.status === "invalid") {
      throw refusalOf(problemIn(order.error), `the order for ${names.join(", ")} failed`);
    }
    if (order.status === "pending" && !isShown) {
      await showAll(order, parts);
      isShown = true;
      order = await ca.order(order.url);
      continue;
    }
    if (order.status === "ready") order = await ca.finalize(order, await requestFor(parts));
    if (order.status === "valid") continue;
    await look.wait(`the order stays ${order.status}`);
    order = await ca.order(order.url);
  }
}

/** One that was begun goes on, unless it came to nothing meanwhile. */
async function beginOrder(
  { ca, names, begunAt, noteBegun, replaces }: OrderParts,
): Promise<CaOrder> {
  if (begunAt !== null) {
    const begun = await ca.order(begunAt).catch((error) => {
      // The CA has forgotten it. What else is wrong would be wrong with another order, too.
      if (asKhachapuriError(error).data.problem === "unreachable") throw error;
      return null;
    });
    if (begun && begun.status !== "invalid") return begun;
  }
  const order = await ca.newOrder(names, replaces);
  await noteBegun(order.url);
  return order;
}

async function requestFor({ names, key }: OrderParts): Promise<Uint8Array> {
  const { createCsr } = await import("./acme_library.ts");
  const [, csr] = await createCsr({ altNames: [...names] }, key);
  return csr;
}

interface Shown {
  readonly authorization: CaAuthorization;
  readonly challenge: CaAuthorization["challenges"][number];
  readonly type: ChallengeType;
  readonly challenger: Challenger;
  readonly proof: Proof;
}

/** Shows that all names are ours; what was put up for it is gone afterwards, however it ends. */
async function showAll(order: CaOrder, parts: OrderParts): Promise<void> {
  const { ca, signal, log } = parts;
  const authorizations = await Promise.all(
    order.authorizations.map((url) => ca.authorization(url)),
  );
  const pending = authorizations.filter(({ status }) => status !== "valid");
  const shown = await Promise.all(pending.map((each) => proofFor(each, parts)));
  try {
    for (const { challenger, proof } of shown) await challenger.present(proof, signal);
    for (const challenger of new Set(shown.map((each) => each.challenger))) {
      const own = shown.filter((each) => each.challenger === challenger);
      await challenger.ready(own.map(({ proof }) => proof), signal);
    }
    for (const { challenge } of shown) {
      // Of an order that goes on, one may be looked at already.
      if (challenge.status === "pending") await ca.answer(challenge);
    }
    for (const each of shown) await untilSeen(each, parts);
  } finally {
    for (const { challenger, proof } of shown) {
      await challenger.withdraw(proof).catch((error) => {
        log.warn("what was shown to the CA stays behind", { name: proof.name, error });
      });
    }
  }
}

async function proofFor(
  authorization: CaAuthorization,
  { ca, challengeOf, challengers, names }: OrderParts,
): Promise<Shown> {
  const { status, identifier: { value: name }, wildcard, challenges } = authorization;
  const isOurs = names.includes(wildcard ? `*.${name}` : name);
  if (!isOurs || status !== "pending") {
    throw cannotShow(`${name}: the CA's authorization is ${isOurs ? status : "for another name"}`);
  }
  const type = challengeOf(wildcard);
  const challenge = challenges.find((each) => each.type === type);
  const challenger = challengers[type];
  if (!challenge || !challenger) {
    const offered = challenges.map((each) => each.type).join(", ") || "nothing";
    throw cannotShow(
      `${name}: the CA takes ${offered}, not ${type}`,
      "see provider.acme.challenge",
    );
  }
  if (!/^[A-Za-z0-9_-]{16,128}$/.test(challenge.token)) {
    throw cannotShow(`${name}: the CA's token is none`);
  }
  const keyAuthorization = await ca.keyAuthorization(challenge);
  const proof = { name, token: challenge.token, keyAuthorization };
  return { authorization, challenge, type, challenger, proof };
}

function cannotShow(message: string, ...hints: string[]): KhachapuriError {
  return new KhachapuriError("no_certificate", message, { hints });
}

async function untilSeen({ authorization, type }: Shown, parts: OrderParts): Promise<void> {
  const { identifier: { value: name }, url } = authorization;
  const look = new Looks(parts);
  for (;;) {
    const { status, challenges } = await parts.ca.authorization(url);
    if (status === "valid") return;
    if (status !== "pending") {
      const problem = challenges.find((each) => each.type === type)?.error;
      throw refusalOf(problemIn(problem), `the CA was not shown by ${type} that ${name} is ours`);
    }
    await look.wait(`${name}: the CA does not look`);
  }
}

/** Looks that grow rarer, and come to an end. */
class Looks {
  #nextMs = FIRST_LOOK_MS;
  /** What was waited, not what a clock says that may be set meanwhile. */
  #waitedMs = 0;

  constructor(private readonly parts: Pick<OrderParts, "clock" | "signal">) {}

  /** @param trouble what has not changed, for when that has been so for too long */
  async wait(trouble: string): Promise<void> {
    if (this.#waitedMs >= ORDER_TIMEOUT_MS) {
      throw cannotShow(`${trouble} after ${ORDER_TIMEOUT_MS / 60_000} minutes`);
    }
    await until(this.parts.clock, this.#nextMs, this.parts.signal);
    this.#waitedMs += this.#nextMs;
    this.#nextMs = Math.min(this.#nextMs * 2, LONGEST_LOOK_MS);
  }
}
