/** Machines that qemu emulates, and what they tell (told.ts); all that they need lies in CACHE. */
import { join } from "node:path";

export const ROOT = join(import.meta.dirname!, "../..");
export const CACHE = join(ROOT, ".cache/vm");
const BOOT_TIMEOUT_MS = 60 * 60_000;

/** Like Ubuntu's apport or systemd-coredump: root's own program, /opt/core, gets what crashes. */
export const CORE_HANDLER = '#!/bin/sh\necho "$1" >> /run/cores\n';
export const CORE_PATTERN = "|/opt/core %e";

export const print = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));

/** Runs it to its end; stops the task when it fails. */
export async function must(
  task: string,
  command: string,
  args: string[],
  cwd = CACHE,
): Promise<void> {
  const { success, stderr } = await new Deno.Command(command, { args, cwd }).output();
  if (success) return;
  print(`${task}: ${command} failed: ${new TextDecoder().decode(stderr).slice(-2000)}`);
  Deno.exit(1);
}

export interface Count {
  passed: number;
  failed: number;
  /** How many came to their end. */
  done: number;
}

/** Boots and shows what the guest tells, with its console kept in CACHE. */
export async function boot(qemu: string, machine: string[], name = "console"): Promise<Count> {
  const args = [
    ...["-display", "none", "-no-reboot", "-serial", "stdio", "-monitor", "none", "-nic", "none"],
    ...machine,
  ];
  const child = new Deno.Command(qemu, { args, stdin: "null", stdout: "piped" }).spawn();
  const timer = setTimeout(() => child.kill("SIGKILL"), BOOT_TIMEOUT_MS);
  const path = join(CACHE, `${name}.log`);
  const log = await Deno.open(path, { create: true, write: true, truncate: true });
  const count = { passed: 0, failed: 0, done: 0 };
  let rest = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    await log.write(new TextEncoder().encode(text));
    const lines = (rest + text).split(/\r?\n/);
    rest = lines.pop()!;
    for (const line of lines) {
      const told = line.match(/VM (.*)$/)?.[1];
      if (!told) continue;
      print(told);
      if (/^\w+: ok /.test(told)) count.passed += 1;
      if (/^\w+: FAILED /.test(told)) count.failed += 1;
      if (/^\w+: done /.test(told)) count.done += 1;
    }
  }
  clearTimeout(timer);
  log.close();
  await child.status;
  return count;
}

/** Prints the counts and ends the task: with 0 when all parts came to their end, and well. */
export function conclude(task: string, count: Count, parts: number, startedAt: number): never {
  const { passed, failed, done } = count;
  const complete = done === parts;
  if (!complete) print(`${task}: the guest did not come to its end; see .cache/vm/*.log`);
  const seconds = ((Date.now() - startedAt) / 1000).toFixed(0);
  print(`${passed} passed, ${failed} failed in ${seconds} s`);
  Deno.exit(failed === 0 && complete ? 0 : 1);
}
