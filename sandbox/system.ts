/** The machine's own tools, of the few that the native helper starts for `khachapuri up`. */
import { helperPath, spawnHelper } from "./native.ts";

/** What a tool came to. */
export interface ToolRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What the kernel is set to: null where it has no such setting. */
export interface MachineSettings {
  /** net.ipv4.tcp_migrate_req: a closing listener's waiting connections go to another one. */
  readonly migrateReq: string | null;
  /** kernel.unprivileged_userns_clone, of Debian's kernels. */
  readonly usernsClone: string | null;
  /** kernel.apparmor_restrict_unprivileged_userns, of Ubuntu's kernels. */
  readonly apparmorUserns: string | null;
  /** Whether AppArmor has our profile; null: it is off, or does not tell us. */
  readonly hasProfile: boolean | null;
  /** Addresses of its network interfaces, but for loopback and link-local ones. */
  readonly addresses: readonly string[];
}

/**
 * Runs a tool in one of the ways that the helper knows (init/system.c).
 * @param words its name and arguments
 * @param input to its stdin
 * @throws KhachapuriError `sandbox_unavailable` when the helper can't be started
 */
export async function runTool(words: readonly string[], input = ""): Promise<ToolRun> {
  const child = spawnHelper(await helperPath(), ["system", ...words]);
  const writing = feed(child, input);
  const { code, stdout, stderr } = await child.output();
  await writing;
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** A tool may end without having read it. */
async function feed({ stdin }: Deno.ChildProcess, input: string): Promise<void> {
  const writer = stdin.getWriter();
  await writer.write(new TextEncoder().encode(input)).catch(() => {});
  await writer.close().catch(() => {});
}

/** @throws KhachapuriError `sandbox_unavailable` when the helper can't be started */
export async function readMachine(): Promise<MachineSettings> {
  const child = spawnHelper(await helperPath(), ["settings"]);
  await child.stdin.close();
  const { stdout } = await child.output();
  return parseMachine(new TextDecoder().decode(stdout));
}

/** What the helper prints of a machine (init/settings.c). */
export function parseMachine(text: string): MachineSettings {
  const lines = text.trim().split("\n").map((line) => line.split("=", 2) as [string, string]);
  const fields = new Map(lines);
  const setting = (name: string) => {
    const value = fields.get(name) ?? "-";
    return value === "-" ? null : value;
  };
  const profile = setting("profile");
  return {
    migrateReq: setting("migrateReq"),
    usernsClone: setting("usernsClone"),
    apparmorUserns: setting("apparmorUserns"),
    hasProfile: profile === null ? null : profile === "1",
    addresses: lines.flatMap(([name, value]) => name === "address" ? [value] : []),
  };
}
