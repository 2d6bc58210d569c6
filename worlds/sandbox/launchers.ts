/** The launchers that this machine has. What holds of a sandbox must hold under each of them. */
import type { SandboxHost } from "../../sandbox/policy.ts";

/** As in the `sandbox` section of a provider's configuration. */
export type Launcher = Pick<SandboxHost, "launcher" | "launcherPath">;

const LAUNCHERS: readonly Launcher[] = await findLaunchers();

/** Registers a test once for each launcher. */
export function eachLauncher(
  test: string | { name: string; ignore: boolean },
  body: (launcher: Launcher, t: Deno.TestContext) => Promise<void>,
): void {
  const { name, ignore } = typeof test === "string" ? { name: test, ignore: false } : test;
  for (const launcher of LAUNCHERS) {
    const title = `${name}, under ${launcher.launcher}`;
    Deno.test({ name: title, ignore }, (t) => body(launcher, t));
  }
}

/** bwrap, which is always needed, and nsjail where it is on PATH: Debian does not carry it. */
async function findLaunchers(): Promise<Launcher[]> {
  const nsjail = await findOnPath("nsjail");
  if (nsjail !== null) {
    return [{ launcher: "bwrap" }, { launcher: "nsjail", launcherPath: nsjail }];
  }
  // deno-lint-ignore no-console
  console.log("    nsjail is not on PATH here: tests under nsjail are NOT RUN");
  return [{ launcher: "bwrap" }];
}

async function findOnPath(name: string): Promise<string | null> {
  for (const dir of (Deno.env.get("PATH") ?? "").split(":")) {
    const info = await Deno.stat(`${dir}/${name}`).catch(() => null);
    if (info?.isFile) return `${dir}/${name}`;
  }
  return null;
}
