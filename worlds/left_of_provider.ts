/** What a provider of its own process has started and made, while it lives and after its end. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { livingProcesses, survivors } from "./processes.ts";

/** A word that only the programs of one test are started with. */
export function programMarker(): string {
  return `marker-${crypto.randomUUID()}`;
}

/** A provider's home, and the marker of the programs that it runs. */
export interface Watched {
  home: string;
  marker: string;
}

/** What there is of a provider that lives: the proof that it would be found. */
export async function whatThereIs({ home, marker }: Watched) {
  const count = async (pattern: string) => (await livingProcesses(pattern)).split("\n").length - 1;
  return {
    programs: await count(marker),
    supervisors: await count(supervised(home)),
    sockets: (await socketFolders(home)).length,
  };
}

/**
 * No program lives, no launcher or supervisor of one, and neither cgroups nor sockets are left.
 * @param pid of the provider that has ended
 */
export async function assertNothingLeft({ home, marker }: Watched, pid: number): Promise<void> {
  assert.equal(await survivors(marker), "", "programs outlived their provider");
  assert.equal(await survivors(supervised(home)), "", "supervisors outlived their provider");
  assert.deepEqual(await cgroupsOf(pid), []);
  assert.deepEqual(await socketFolders(home), []);
}

/** In the command lines of supervisors and launchers, as they are told folders of programs. */
function supervised(home: string): string {
  return join(home, "state", "(programs|sockets)");
}

/** One for each instance (program/socket_folders.ts). */
async function socketFolders(home: string): Promise<string[]> {
  const all = Deno.readDir(join(home, "state", "sockets"));
  const found = await Array.fromAsync(all).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  });
  return found.map(({ name }) => name);
}

/** As init/cgroup.c names them; none where cgroup v2 is not mounted. */
async function cgroupsOf(pid: number): Promise<string[]> {
  const args = ["/sys/fs/cgroup", "-type", "d", "-name", `sb-${pid}-*`];
  const { stdout } = await new Deno.Command("find", { args, stderr: "null" }).output();
  return new TextDecoder().decode(stdout).split("\n").filter((line) => line !== "");
}
