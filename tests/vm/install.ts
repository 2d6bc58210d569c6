/**
 * `deno task test:vm:install`: a stock Debian under qemu, and on it the life of a provider from the
 * packaged file on: set up, earning over HTTPS, limits, reload, upgrade, kill, reboot, down. Takes
 * root, and minutes without KVM; what it boots is kept in `.cache/vm`.
 */
import { stop } from "../../tools/print.ts";
import { EMULATOR, INSTALLATION, requireAll } from "../../tools/requirements.ts";
import { makeFolder } from "../../worlds/home.ts";
import { conclude, type Count, print } from "./emulator.ts";
import { baseSystem, bootMachine, makeDisk } from "./install_machine.ts";
import { buildPackages } from "./install_packages.ts";
import { openCallers } from "./install_callers.ts";
import { openShell } from "./install_shell.ts";
import { befalling, lookingAfter, settingUp, type Steps, takingDown } from "./install_steps.ts";
import { enterOwnNetwork, startWorld } from "./install_world.ts";

const TASK = "test:vm:install";

async function main(): Promise<void> {
  const startedAt = Date.now();
  if (Deno.uid() !== 0) stop([`${TASK}: making a root file system takes root`]);
  await requireAll(TASK, [...EMULATOR, ...INSTALLATION]);
  const tar = await baseSystem();
  await enterOwnNetwork();
  const count = await live(tar, startedAt);
  conclude(TASK, count, 1, startedAt);
}

async function live(tar: string, startedAt: number): Promise<Count> {
  await using folder = await makeFolder();
  const { first, later } = await buildPackages(folder.dir);
  await using world = await startWorld();
  const { answersFile, termsFile, caFile } = world;
  const files = [first, later, `${later}.minisig`, answersFile, termsFile, caFile];
  const disk = await makeDisk(tar, files);
  print(`${TASK}: booting it (${seconds(startedAt)} s)`);
  await using machine = await bootMachine(disk);
  const count: Count = { passed: 0, failed: 0, done: 0 };
  const shell = openShell(machine.agent);
  const callers = openCallers(world);
  const steps: Steps = {
    ...settingUp(world, first, shell, callers),
    ...lookingAfter(shell, callers),
    ...befalling(shell, callers),
    ...takingDown(shell),
  };
  for (const [what, check] of Object.entries(steps)) {
    const begun = Date.now();
    try {
      print(`ok ${what}: ${await check()} (${seconds(begun)} s)`);
      count.passed += 1;
    } catch (error) {
      print(`FAILED ${what}: ${error instanceof Error ? error.message : error}`);
      count.failed += 1;
      print(await lastWords(machine.agent.paste));
    }
  }
  return { ...count, done: 1 };
}

const seconds = (since: number) => ((Date.now() - since) / 1_000).toFixed(0);

async function lastWords(paste: (script: string) => Promise<{ said: string }>): Promise<string> {
  return (await paste("journalctl --no-pager -o cat -u khachapuri -n 20")).said;
}

if (import.meta.main) await main();
