/** Whether a provider has what a program's first line asks for, before anything is published. */
import { KhachapuriError } from "../errors.ts";
import { familyOf, hasRuntime, type Runtime, runtimesText } from "../runtime.ts";
import type { StartFacts } from "../spec/start_facts.ts";
import type { RunOffer } from "./provider_limits.ts";

/**
 * @param name the provider's
 * @param said what it lists, and what it says of this interpreter
 * @returns whether it has it; null where that cannot be told
 * @throws KhachapuriError `invalid_program` when it has not
 */
export function assertHasRuntime(
  name: string,
  { entrypoint, interpreter }: Pick<StartFacts, "entrypoint" | "interpreter">,
  { runtimes, runtimeFound }: Pick<RunOffer, "runtimes" | "runtimeFound">,
): true | null {
  if (interpreter === null) return true;
  // What it lists it has started; what it found may want a library.
  const has = (runtimes && hasRuntime(runtimes, interpreter)) ?? runtimeFound;
  if (has !== false) return has;
  throw new KhachapuriError(
    "invalid_program",
    `${name} has no ${interpreter}, with which ${entrypoint} is to be started`,
    {
      hints: hintsFor(interpreter, runtimes?.found ?? []),
      data: { runtimes: runtimes?.found ?? null },
    },
  );
}

function hintsFor(interpreter: string, found: readonly Runtime[]): string[] {
  const name = interpreter.slice(interpreter.lastIndexOf("/") + 1);
  const family = familyOf(name);
  const near = found.find((each) => each.name === name) ??
    found.find((each) => familyOf(each.name) === family);
  return [
    ...(near ? [`begin it with #!/usr/bin/env ${near.name}, which is there`] : []),
    `it has ${runtimesText(found, "interpreter") || "none that it knows"}`,
    "put the interpreter into the program, or deploy to another provider",
  ];
}
