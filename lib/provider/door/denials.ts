/** The abuse desk of a provider that runs: whom its operator denies, and what that ends. */
import { join } from "node:path";
import * as v from "valibot";
import type { Log } from "../../log.ts";
import { parseShape } from "../../shape.ts";
import type { Control } from "../control/control_server.ts";
import { type Denial, denialToJson, parseDenialWish } from "../denial/denial.ts";
import { DenialBook, DENIALS_FILE } from "../denial/denial_book.ts";
import { type DenialDesk, Denials } from "../denial/denials.ts";
import type { Deployment } from "../deployment/deployment.ts";
import type { Counter } from "../metrics/metrics.ts";
import type { Sandboxes } from "../program/sandboxes.ts";
import type { Site } from "./site.ts";

/** To be closed with `stack`. @throws KhachapuriError `invalid_config` for a later one's book */
export function openDenials(
  { state, now }: Pick<Site, "state" | "now">,
  refused: Counter,
  stack: AsyncDisposableStack,
): { book: DenialBook; denials: Denials } {
  const book = DenialBook.open(join(state.book, DENIALS_FILE));
  stack.defer(() => book.close());
  const denials = new Denials({ book, now, onRefused: (kind) => refused.add({ kind }) });
  return { book, denials };
}

export interface DenialRoom {
  denials: DenialDesk;
  sandboxes: Pick<Sandboxes, "expel">;
  log: Log;
  now: () => number;
  /** Told of each denial, beside what is ended here. */
  tell?(denial: Denial): void;
}

/** Whom or what a denial is about. */
export type Denied = Pick<Denial, "kind" | "what">;

const liftShape = v.strictObject({ id: v.pipe(v.number(), v.safeInteger()) });

/** Has the verbs `deny` and `lift` handled; each answers with the denial as it is then. */
export function takeDenials(control: Pick<Control, "on">, desk: DenialRoom): void {
  const { denials, log, now, tell = () => {} } = desk;
  control.on("deny", async (body) => {
    const denial = await denials.deny(parseDenialWish(body, now()));
    const { id, kind, what } = denial;
    log.info("denied by the operator", { id, kind, what });
    // What runs is ended; nobody is kept waiting for it.
    void expelDenied(desk, denial, log);
    tell(denial);
    return denialToJson(denial, now());
  });
  control.on("lift", async (body) => {
    const { id } = parseShape(liftShape, body, "lift", "invalid_input");
    const denial = await denials.lift(id);
    log.info("denial lifted by the operator", { id, kind: denial.kind, what: denial.what });
    return denialToJson(denial, now());
  });
}

/** Ends what runs of who or what is denied. */
export async function expelDenied(
  { sandboxes }: Pick<DenialRoom, "sandboxes">,
  denied: Denied,
  log: Log,
): Promise<void> {
  await sandboxes.expel((deployment) => isAbout(denied, deployment)).catch((error) => {
    log.error("a denied deployment's sandbox did not end", { ...denied, error });
  });
}

function isAbout({ kind, what }: Denied, { cid, spec: { owner } }: Deployment): boolean {
  return (kind === "deployment" && what === cid) || (kind === "owner" && what === owner);
}
