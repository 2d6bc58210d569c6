/** What `up` puts into the system's folders: units, kernel settings, an AppArmor profile. */
import type { MachineSettings } from "../../../sandbox/system.ts";
import { type ServiceShape, socketUnits, systemdUnit } from "../systemd_unit.ts";
import { madeFile } from "./made_file.ts";

export const UNIT_FOLDER = "/etc/systemd/system";
export const SERVICE = "khachapuri.service";
export const SOCKETS: readonly string[] = ["khachapuri.socket", "khachapuri-http.socket"];
export const SYSCTL_PATH = "/etc/sysctl.d/60-khachapuri.conf";
export const PROFILE_PATH = "/etc/apparmor.d/khachapuri";
/** Where the command line itself lies, as the unit and the helper have it. */
export const PROGRAM_PATH = "/usr/local/bin/khachapuri";
export const USER = "khachapuri";

/** All that may be there of us, in the order in which it is taken away. */
export const SYSTEM_FILES: readonly string[] = [
  ...[SERVICE, ...SOCKETS].map((unit) => `${UNIT_FOLDER}/${unit}`),
  SYSCTL_PATH,
  PROFILE_PATH,
];

/** What each of these files is to say; null: it is not to be there. */
export type WantedFiles = ReadonlyMap<string, string | null>;

/** @param existing what the sysctl file says now */
export function wantedFiles(
  shape: ServiceShape,
  machine: MachineSettings,
  existing: string | null,
): WantedFiles {
  const units = shape.sockets ? socketUnits(shape.sockets) : [];
  const textOf = (unit: string) => units.find(({ name }) => name === unit)?.text ?? null;
  return new Map([
    [PROFILE_PATH, needsProfile(machine) ? apparmorProfile(shape.home) : null],
    [SYSCTL_PATH, sysctlText(machine, existing)],
    ...SOCKETS.map((unit): [string, string | null] => [`${UNIT_FOLDER}/${unit}`, textOf(unit)]),
    [`${UNIT_FOLDER}/${SERVICE}`, systemdUnit(shape)],
  ]);
}

/** Whether AppArmor keeps whoever has no profile from user namespaces: Ubuntu, from 24.04 on. */
export function needsProfile({ apparmorUserns }: MachineSettings): boolean {
  return apparmorUserns !== null && apparmorUserns !== "0";
}

/**
 * Kernel settings for `sysctl -p`; null where there are none to make. One that it has made before
 * is kept, though the kernel now shows no need of it.
 */
export function sysctlText(
  { migrateReq, usernsClone }: MachineSettings,
  existing: string | null,
): string | null {
  const wasOff = existing?.includes("kernel.unprivileged_userns_clone") ?? false;
  const lines = [
    ...migrateReq === null ? [] : [
      "# Connections that a provider which ends has not taken go to the one that takes over.",
      "net.ipv4.tcp_migrate_req = 1",
    ],
    ...usernsClone === "0" || (usernsClone !== null && wasOff)
      ? ["# Sandboxes are user namespaces.", "kernel.unprivileged_userns_clone = 1"]
      : [],
  ];
  return lines.length === 0 ? null : madeFile(`${lines.join("\n")}\n`);
}

/**
 * Lets our helper, and what it starts, have user namespaces where Ubuntu keeps them for programs
 * with a profile. It is attached to the helper and kept over exec (`ix`): a second profile for
 * /usr/bin/bwrap would leave that one with none, and the one that Ubuntu has for it takes all
 * capabilities from what bwrap starts, of which our init needs some within its own namespace.
 * For AppArmor 4.0 and later, as the kernels that restrict this have it.
 */
export function apparmorProfile(home: string): string {
  return madeFile(`abi <abi/4.0>,
include <tunables/global>

profile khachapuri-init ${home}/{,.}cache/khachapuri/{,*/}khachapuri-init\
 flags=(attach_disconnected,mediate_deleted) {
  userns,
  capability,
  file rwlkm /{**,},
  /{**,} ix,
  network,
  unix,
  ptrace,
  signal,
  mqueue,
  io_uring,
  mount,
  remount,
  umount,
  pivot_root,
  dbus,

  include if exists <local/khachapuri>
}
`);
}
