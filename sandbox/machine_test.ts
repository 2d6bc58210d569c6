import assert from "node:assert/strict";
import { KhachapuriError } from "../lib/errors.ts";
import { MACHINES, ownMachine } from "./machine.ts";

Deno.test("Linux on x86-64 and arm64 can run programs", () => {
  for (const arch of MACHINES) assert.equal(ownMachine({ os: "linux", arch }), arch);
});

Deno.test("any other machine is refused by its name, with those that would do", () => {
  const others = [["linux", "riscv64"], ["darwin", "aarch64"], ["windows", "x86_64"], [
    "linux",
    "",
  ]];
  for (const [os, arch] of others) {
    assert.throws(() => ownMachine({ os: os!, arch: arch! }), (error) => {
      assert(error instanceof KhachapuriError);
      assert.equal(error.code, "sandbox_unavailable");
      assert.match(error.shortMessage, new RegExp(`${os} on ${arch}`));
      assert.match(error.hints.join(), /x86-64 \(amd64\) or arm64 \(aarch64\)/);
      return true;
    });
  }
});
