import assert from "node:assert/strict";
import { errnoText, explainFailure, signalName } from "./explain.ts";

/** What launchers and the helper print, and a part of the last hint that must follow. */
const SAID: readonly [string, string][] = [
  ["bwrap: Unknown option --disable-userns", "bubblewrap 0.8"],
  ["bwrap: setting up uid map: Permission denied", "apparmor_parser"],
  ["bwrap: loopback: Failed RTM_NEWADDR: Operation not permitted", "apparmor_parser"],
  ["bwrap: No permissions to create new namespace", "user.max_user_namespaces"],
  ["bwrap: Can't find source path /a/b: Permission denied", "chmod o+x"],
  ["khachapuri-init: /usr/bin/bwrap: No such file or directory", "apt-get install bubblewrap"],
  ["nsjail: unrecognized option '--nice_level'", "nsjail 3.4"],
  [
    "[W][2026-11-22T11:37:25+0000][7] runChild():148 clone(flags=CLONE_NEWNS) failed: " +
    "No space left on device",
    "user.max_user_namespaces",
  ],
  [
    "[E][2026-11-22T11:37:25+0000][1] initCloneNs():391 " +
    "mount('/', '/', NULL, MS_REC|MS_PRIVATE, NULL): Permission denied",
    "apparmor_parser",
  ],
  [
    "[W][2026-11-22T11:37:25+0000][1] mountPt():201 mount(''/a' -> '/app' flags:MS_RDONLY') " +
    "src:'/a' dstpath:'/r/app' failed. Try fixing this: Permission denied",
    "chmod o+x",
  ],
  ["khachapuri-init: /usr/bin/nsjail: No such file or directory", "launcher to bwrap"],
];

Deno.test("what launchers say comes with what to do, also after a warning", () => {
  for (const [said, hint] of SAID) {
    for (const before of ["", "[W][2026-11-22T11:37:25+0000][1] f():1 odd but harmless\n"]) {
      const { shortMessage, hints } = explainFailure(`${before}${said}\nLaunching failed`);
      assert.equal(shortMessage, `the sandbox ended: ${said}`);
      assert(hints.at(-1)?.includes(hint), said);
    }
  }
});

Deno.test("what nobody knows is passed on as it is", () => {
  assert.equal(explainFailure("odd\nodder").shortMessage, "the sandbox ended: odd");
  assert.equal(explainFailure("").shortMessage, "the sandbox ended");
});

Deno.test("signals have the names of the kernel's own header", async () => {
  const header = await Deno.readTextFile("/usr/include/x86_64-linux-gnu/asm/signal.h");
  const defined = [...header.matchAll(/^#define (SIG[A-Z0-9]+)\s+(\d+)$/gm)];
  const numbers = new Map(defined.map(([, name, number]) => [name!, Number(number)]));
  for (let number = 1; number < 32; number++) {
    const name = signalName(number);
    if (name !== `SIG${number}`) assert.equal(numbers.get(name), number, name);
  }
  assert.equal(signalName(9), "SIGKILL");
  assert.equal(signalName(40), "SIG40");
});

Deno.test("why a program did not start is said in words, or by its number", () => {
  assert.equal(errnoText(2), "no such file, or its interpreter is missing");
  assert.equal(errnoText(99), "error 99");
});
