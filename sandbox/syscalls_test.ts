import assert from "node:assert/strict";
import { type Machine, MACHINES } from "./machine.ts";
import { syscallsOf } from "./syscalls.ts";

/** arm64 takes its numbers from here, of which x86-64's package has the text as well. */
const GENERIC_HEADER = "/usr/include/asm-generic/unistd.h";

/** Numbers by name, as the kernel's own header defines them for user space of 64 bits. */
async function numbersOf(machine: Machine): Promise<Map<string, number>> {
  const path = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h";
  const header = await Deno.readTextFile(machine === "aarch64" ? GENERIC_HEADER : path);
  const read = (prefix: string) =>
    new Map(
      [...header.matchAll(new RegExp(`^#define __${prefix}_(\\w+)\\s+(\\d+)$`, "gm"))]
        .map(([, name, number]) => [name!, Number(number)]),
    );
  const numbers = read("NR");
  const shared = read("NR3264");
  const [, wide = ""] = header.split("#if __BITS_PER_LONG == 64 && !defined(__SYSCALL_COMPAT)");
  for (const [, name, at] of wide.split("#else")[0]!.matchAll(/__NR_(\w+) __NR3264_(\w+)$/gm)) {
    if (shared.has(at!)) numbers.set(name!, shared.get(at!)!);
  }
  numbers.delete("syscalls"); // how many there are
  return numbers;
}

/** Calls of 32 bits, and one of other architectures, that the generic header also lists. */
const NOT_ON_ARM64 =
  /_time64$|^(clock_\w+64|timer\w*_\w+64|sync_file_range2)$|^arch_specific_syscall$/;

/** What is left out on purpose, of all that the kernel has. */
const LEFT_OUT = ["io_setup", "io_destroy", "io_submit", "io_cancel", "io_getevents", "vmsplice"]
  .concat("io_pgetevents", "io_uring_setup", "io_uring_enter", "io_uring_register", "uselib")
  .concat("memfd_secret", "sched_setattr", "ustat", "sysfs");

for (const machine of MACHINES) {
  const { allowed, refused, checked, initOnly, asked, uncounted } = syscallsOf(machine);
  const ofPrograms = { ...allowed, ...refused, ...checked, ...asked, ...uncounted };
  const lists: Record<string, number> = { ...ofPrograms, ...initOnly };

  Deno.test(`${machine}: the numbers are those of the kernel's own header`, async () => {
    const numbers = await numbersOf(machine);
    assert(numbers.size > 300, String(numbers.size));
    const newest = Math.max(...numbers.values());
    for (const [name, number] of Object.entries(lists)) {
      if (number <= newest) assert.equal(numbers.get(name), number, name);
    }
  });

  Deno.test(`${machine}: every call of the kernel's is listed or left out on purpose`, async () => {
    const unlisted = [...(await numbersOf(machine)).keys()].filter((name) => !(name in lists))
      .filter((name) => machine === "x86_64" || !NOT_ON_ARM64.test(name));
    assert.deepEqual(unlisted.filter((name) => !LEFT_OUT.includes(name)), []);
    assert.deepEqual(LEFT_OUT.filter((name) => name in lists), []);
    assert(!("clone3" in ofPrograms), "libraries fall back to clone");
  });

  Deno.test(`${machine}: no call stands in two lists`, () => {
    const all = [allowed, refused, checked, asked, uncounted].flatMap((list) =>
      Object.values(list)
    );
    assert.equal(new Set(all).size, all.length);
  });
}

Deno.test("arm64 has the calls of x86-64 in the same lists, but for those of old", () => {
  const [x86, arm] = [syscallsOf("x86_64"), syscallsOf("aarch64")];
  const gone: string[] = [];
  for (const list of ["allowed", "refused", "initOnly", "asked", "uncounted", "checked"] as const) {
    const [here, there] = [Object.keys(x86[list]), Object.keys(arm[list])];
    assert.deepEqual(there.filter((name) => !here.includes(name)), [], list);
    gone.push(...here.filter((name) => !there.includes(name)));
  }
  for (const name of ["open", "fork", "dup2", "poll", "iopl", "modify_ldt"]) {
    assert(gone.includes(name), name);
  }
  assert.equal(gone.length, 53);
});
