/** What launchers and the kernel say, in words, and what the operator can do about it. */
import { KhachapuriError } from "../lib/errors.ts";

const KNOWN: readonly { says: RegExp; hints: readonly string[] }[] = [
  {
    says: /disable-userns|Unknown option/,
    hints: ["bubblewrap 0.8 or newer is needed: Debian 12 and Ubuntu 24.04 carry it"],
  },
  {
    says: /nsjail: unrecognized option/,
    hints: ["nsjail 3.4 or newer is needed"],
  },
  {
    says: /nsjail: No such file/,
    hints: [
      "Debian has no nsjail: build it, and name it in provider.sandbox.launcherPath,",
      "or do without: set provider.sandbox.launcher to bwrap",
    ],
  },
  {
    says: /uid map: Permission denied|RTM_NEWADDR/,
    hints: [
      "AppArmor forbids user namespaces here (Ubuntu 24.04 and newer); allow them, as root:",
      "khachapuri up, which writes a profile for the provider's helper; or by hand:",
      "khachapuri init --home HOME --apparmor /etc/apparmor.d/khachapuri",
      "apparmor_parser -r /etc/apparmor.d/khachapuri",
    ],
  },
  {
    says: /MS_REC\|MS_PRIVATE.*: Permission denied/,
    hints: [
      "AppArmor forbids user namespaces here (Ubuntu 24.04 and newer); allow them for nsjail:",
      "write to /etc/apparmor.d/nsjail, with nsjail's own path in it:",
      "abi <abi/4.0>, profile nsjail /usr/bin/nsjail flags=(unconfined) { userns, }",
      "apparmor_parser -r /etc/apparmor.d/nsjail",
    ],
  },
  {
    says: /No permissions to create|userns_clone|Creating new namespace failed|clone\(flags/,
    hints: [
      "user namespaces are off; allow them:",
      "sysctl -w kernel.unprivileged_userns_clone=1",
      "sysctl -w user.max_user_namespaces=15000",
    ],
  },
  {
    says: /bwrap: No such file/,
    hints: ["apt-get install bubblewrap"],
  },
  {
    says: /Can't find source path|Can't get type of source|Can't open|Permission denied/,
    hints: [
      "programs run under another uid, which must be able to enter the folder they are unpacked in:",
      "chmod o+x on that folder and each folder above it",
    ],
  },
];

/** What to do about a launcher's message. */
export function hintsFor(message: string): readonly string[] {
  return KNOWN.find(({ says }) => says.test(message))?.hints ?? [];
}

/**
 * The error for a sandbox that has ended by itself.
 * @param said what its launcher printed. It may begin with harmless warnings, so the first line
 * that we have hints for is quoted, else the first of all.
 */
export function explainFailure(said: string): KhachapuriError {
  const lines = said.split("\n");
  const line = lines.find((line) => hintsFor(line).length > 0) ?? lines[0];
  const message = said === "" ? "the sandbox ended" : `the sandbox ended: ${line}`;
  return new KhachapuriError("sandbox_unavailable", message, {
    hints: hintsFor(said),
    retryAfterSeconds: 5,
  });
}

/** Signal numbers of Linux on x86-64 and arm64. */
const SIGNALS: Readonly<Record<number, string>> = {
  1: "SIGHUP",
  2: "SIGINT",
  3: "SIGQUIT",
  4: "SIGILL",
  5: "SIGTRAP",
  6: "SIGABRT",
  7: "SIGBUS",
  8: "SIGFPE",
  9: "SIGKILL",
  10: "SIGUSR1",
  11: "SIGSEGV",
  12: "SIGUSR2",
  13: "SIGPIPE",
  14: "SIGALRM",
  15: "SIGTERM",
  24: "SIGXCPU",
  25: "SIGXFSZ",
  31: "SIGSYS",
};

export function signalName(number: number): string {
  return SIGNALS[number] ?? `SIG${number}`;
}

const ERRNOS: Readonly<Record<number, string>> = {
  1: "not permitted",
  2: "no such file, or its interpreter is missing",
  7: "arguments or environment too large",
  8: "not a program for this machine, or a script without #!",
  11: "too many processes",
  12: "out of memory",
  13: "not executable",
  20: "not a folder",
  21: "a folder",
  24: "too many open files",
  26: "being written to",
  28: "no space",
  40: "too many symbolic links",
};

export function errnoText(errno: number): string {
  return ERRNOS[errno] ?? `error ${errno}`;
}
