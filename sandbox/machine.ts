/** The machines that can sandbox a program: whose system calls the filter and the helper know. */
import { KhachapuriError } from "../lib/errors.ts";

/** As `Deno.build.arch` calls them. */
export const MACHINES = ["x86_64", "aarch64"] as const;
export type Machine = (typeof MACHINES)[number];

/** As people call them. */
const SUPPORTED = "Linux on x86-64 (amd64) or arm64 (aarch64)";

/**
 * This machine.
 * @throws KhachapuriError `sandbox_unavailable` with its name when it is not one of them
 */
export function ownMachine(
  { os, arch }: { readonly os: string; readonly arch: string } = Deno.build,
): Machine {
  const known = MACHINES.find((machine) => machine === arch);
  if (os === "linux" && known !== undefined) return known;
  throw new KhachapuriError("sandbox_unavailable", `${os} on ${arch} cannot run programs`, {
    hints: [`a provider needs ${SUPPORTED}`],
  });
}
