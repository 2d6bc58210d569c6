/** Can this machine sandbox a program? Asked at start and by `doctor`. */
import { asKhachapuriError } from "../lib/errors.ts";
import { openSandbox, type SandboxHost } from "./sandbox.ts";

export type ProbeResult =
  | { ok: true; launcher: string; programsRunAs: number }
  | { ok: false; reason: string; hints: readonly string[] };

/** Runs one small program in a real sandbox and explains what is missing when that fails. */
export async function probeSandbox(host: SandboxHost): Promise<ProbeResult> {
  const limits = { timeoutMs: 10_000, memoryMb: 64, stdoutBytes: 4096, stderrBytes: 4096 };
  try {
    // Any readable folder does: the program is the system's own shell.
    const sandbox = await openSandbox(host, { programDir: "/usr", limits });
    const argv = ["bin/sh", "-c", "id -u"];
    const run = await sandbox.run({ argv, env: {}, stdin: null });
    const printed = await new Response(run.stdout).text().catch(() => "");
    const record = await run.record;
    if (record.exit === 0 && printed === "65534\n") {
      return { ok: true, launcher: host.launcher, programsRunAs: host.runUid ?? Deno.uid()! };
    }
    const said = new TextDecoder().decode(record.stderr).trim();
    return { ok: false, reason: said || `${host.launcher} did not start`, hints: hintsFor(said) };
  } catch (thrown) {
    const error = asKhachapuriError(thrown);
    return { ok: false, reason: error.shortMessage, hints: error.hints };
  }
}

const KNOWN: readonly { says: RegExp; hints: readonly string[] }[] = [
  {
    says: /No such file|not found|^$/i,
    hints: ["apt-get install bubblewrap util-linux procps"],
  },
  {
    says: /Unknown option|--disable-userns|--size/,
    hints: ["bubblewrap 0.8 or newer is needed: Debian 12, Ubuntu 24.04 or newer carry it"],
  },
  {
    says: /uid map: Permission denied|RTM_NEWADDR/,
    hints: [
      "AppArmor forbids user namespaces here (Ubuntu 24.04 and newer); allow them for bwrap:",
      "apt-get install apparmor-profiles",
      "install -m644 /usr/share/apparmor/extra-profiles/bwrap-userns-restrict /etc/apparmor.d/",
      "apparmor_parser -r /etc/apparmor.d/bwrap-userns-restrict",
    ],
  },
  {
    says: /No permissions to create|unprivileged_userns_clone|Creating new namespace failed/,
    hints: [
      "user namespaces are off; allow them:",
      "sysctl -w kernel.unprivileged_userns_clone=1",
      "sysctl -w user.max_user_namespaces=15000",
    ],
  },
];

/** What to do about a launcher's message. */
export function hintsFor(message: string): readonly string[] {
  return KNOWN.find(({ says }) => says.test(message))?.hints ?? [];
}
