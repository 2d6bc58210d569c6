import assert from "node:assert/strict";
import { RUNTIMES } from "../../worlds/routes.ts";
import type { KhachapuriError } from "../errors.ts";
import { assertHasRuntime } from "./provider_runtimes.ts";

const judge = (interpreter: string | null, runtimes: typeof RUNTIMES | null = RUNTIMES) =>
  judgeTold(interpreter, { runtimes, runtimeFound: null });

const judgeTold = (interpreter: string | null, said: Parameters<typeof assertHasRuntime>[2]) =>
  assertHasRuntime("paolo.eth", { entrypoint: "main", interpreter }, said);

function refusal(interpreter: string): KhachapuriError {
  try {
    judge(interpreter);
  } catch (error) {
    return error as KhachapuriError;
  }
  throw new Error(`${interpreter} was not refused`);
}

Deno.test("a program that a provider can start, or needs nothing of it, is not refused", () => {
  assert.equal(judge("python3.11"), true);
  assert.equal(judge("/bin/sh"), true);
  assert.equal(judge(null), true);
});

Deno.test("what a provider does not say, or did not look for, is not known and no refusal", () => {
  assert.equal(judge("ruby", null), null);
  assert.equal(judge("elvish"), null);
});

Deno.test("of what no table lists counts what a provider says when it is asked", () => {
  assert.equal(judgeTold("elvish", { runtimes: RUNTIMES, runtimeFound: true }), true);
  for (const runtimes of [RUNTIMES, null]) {
    assert.throws(() => judgeTold("/usr/bin/nosuch", { runtimes, runtimeFound: false }), {
      code: "invalid_program",
      message: /paolo\.eth has no \/usr\/bin\/nosuch, with which main is to be started/,
    });
  }
  assert.equal(judgeTold("python3", { runtimes: RUNTIMES, runtimeFound: false }), true);
});

Deno.test("what a provider lacks is named, with what it has", () => {
  const error = refusal("ruby");
  assert.equal(error.code, "invalid_program");
  assert.equal(error.shortMessage, "paolo.eth has no ruby, with which main is to be started");
  assert.deepEqual(error.hints, [
    "it has sh, python3 3.11.2",
    "put the interpreter into the program, or deploy to another provider",
  ]);
});

Deno.test("another name of the same program is pointed out", () => {
  const there = ["python3", "python3", "python3"];
  const asked = ["python", "python3.12", "/usr/local/bin/python3"];
  for (const [index, interpreter] of asked.entries()) {
    const [first] = refusal(interpreter).hints;
    assert.equal(first, `begin it with #!/usr/bin/env ${there[index]}, which is there`);
  }
});
