/** What a deployment's owner says in public of it is told to who is asked to pay for a call. */
import { KhachapuriError } from "../../errors.ts";
import { describedBy } from "../../spec/bazaar.ts";
import type { Spec } from "../../spec/schema.ts";

/** A call that nobody pays for, with what it was; else what it is. */
export function withDescription(thrown: unknown, { about }: Pick<Spec, "about">): unknown {
  const isAsked = thrown instanceof KhachapuriError && thrown.code === "payment_required";
  return isAsked && about ? thrown.toldWith({ described: describedBy(about) }) : thrown;
}
