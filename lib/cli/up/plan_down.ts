/** What takes a provider off a machine again: pure, from facts. Keys and books stay. */
import type { Facts } from "./machine_facts.ts";
import { fileState } from "./made_file.ts";
import { changedByHand } from "./plan_up.ts";
import type { Step } from "./steps.ts";
import { PROFILE_PATH, SERVICE, SOCKETS, SYSTEM_FILES, UNIT_FOLDER } from "./system_files.ts";

/**
 * @param keepsForeign leaves files that somebody has changed as they are
 * @param programs files with our program
 * @throws KhachapuriError `invalid_input` for files that somebody has changed
 */
export function planDown(
  facts: Facts,
  keepsForeign: boolean,
  programs: readonly string[],
): Step[] {
  const { files, units, settings } = facts;
  const there = SYSTEM_FILES.filter((path) => (files.get(path) ?? null) !== null);
  const isForeign = (path: string) => fileState(files.get(path) ?? null, null) === "foreign";
  const foreign = there.filter(isForeign);
  if (foreign.length > 0 && !keepsForeign) throw changedByHand(foreign);
  const gone = there.filter((path) => !isForeign(path));
  const all = [...SOCKETS, SERVICE];
  const active = all.filter((unit) => units.get(unit)?.isActive);
  const enabled = all.filter((unit) => units.get(unit)?.isEnabled);
  const tool = (...words: string[]): Step => ({ kind: "tool", words });
  const remove = (path: string): Step => ({ kind: "remove", path });
  const unloads = gone.includes(PROFILE_PATH) && settings.hasProfile === true;
  return [
    ...active.length === 0 ? [] : [tool("systemctl", "stop", ...active)],
    ...enabled.length === 0 ? [] : [tool("systemctl", "disable", ...enabled)],
    ...unloads ? [tool("apparmor_parser", "-R", PROFILE_PATH)] : [],
    ...gone.map(remove),
    ...gone.some((path) => path.startsWith(UNIT_FOLDER))
      ? [tool("systemctl", "daemon-reload")]
      : [],
    ...programs.map(remove),
  ];
}
