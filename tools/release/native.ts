/** The sandbox's native helper for an architecture, and what compiled it. */
import { join } from "node:path";
import { asKhachapuriError } from "../../lib/errors.ts";
import { buildInit } from "../../sandbox/build.ts";
import type { Replacements } from "../bundle.ts";
import { HELPER } from "../permissions.ts";
import { stop } from "../print.ts";
import { runQuietly } from "../quiet.ts";
import type { Architecture } from "./architectures.ts";
import type { Compiler } from "./sbom.ts";

const ROOT = join(import.meta.dirname!, "../..");

export interface BuiltHelper {
  readonly path: string;
  /** The modules that carry it, where they are not those of the set-up. */
  readonly replacements: Replacements;
  readonly compiler: Compiler;
}

/** Builds it where it is not built yet. */
export async function buildHelper({ name, arch }: Architecture): Promise<BuiltHelper> {
  if (arch !== Deno.build.arch) {
    stop([
      `release: the sandbox's helper is not built for ${name} on ${Deno.build.arch}`,
      `  deno task release --architecture ${Deno.build.arch}     builds this one's alone`,
    ]);
  }
  await buildInit().catch((thrown) => {
    const { shortMessage, hints } = asKhachapuriError(thrown);
    stop([`release: ${shortMessage}`, ...hints]);
  });
  return { path: join(ROOT, HELPER), replacements: {}, compiler: await compilerOf("musl-gcc") };
}

async function compilerOf(command: string): Promise<Compiler> {
  const [said, musl] = await Promise.all([
    runQuietly(command, ["--version"], { LC_ALL: "C" }),
    runQuietly("dpkg-query", ["-W", "-f", "${Version}", "musl-dev"], { LC_ALL: "C" }),
  ]);
  // The first word is the command by which it was started.
  const [name = ""] = said.said.split("\n");
  return { name, musl: musl.isDone ? musl.said : "unknown" };
}
