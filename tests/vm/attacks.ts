/**
 * The attacks of tests/abuse as cases for an emulated machine, where they meet the sandbox itself
 * and no provider: its record tells what a caller's answer would. Each works outside, too.
 */
import { chunksSource } from "../../lib/byte_source.ts";
import { openSandbox, type Sandbox, type SandboxHost } from "../../sandbox/sandbox.ts";
import { allCases } from "../abuse/cases.ts";
import type { Answer, Case, Surroundings } from "../abuse/expect.ts";
import { assertWorksOutside } from "../abuse/outside.ts";
import { readFacts } from "../abuse/program.ts";
import type { Cases } from "./told.ts";

/** Emulation is some twenty times slower than the machine, whose times the cases know. */
const SLOWER = 20;
const TIMEOUT_MS = 8_000 * SLOWER;
const TEXT_MAX = 100_000;

const LIMITS = { memoryMb: 256, stdoutBytes: 4 * 1024 * 1024, stderrBytes: 64 * 1024 };

/** @param program path of the attacker, which stands alone in its folder */
export function attackCases(host: SandboxHost, program: string, around: Surroundings): Cases {
  const cases = allCases(around).map((attack) => {
    const name = [attack.what, `(${attack.attack}${attack.argument ? " " + attack.argument : ""})`];
    return [name.join(" "), () => meet(host, program, attack)];
  });
  return Object.fromEntries(cases);
}

/** On a deployment's first call and on a later one. */
async function meet(host: SandboxHost, program: string, attack: Case): Promise<string> {
  const outside = await assertWorksOutside(program, attack, SLOWER);
  const timeoutMs = attack.timeoutMs === undefined ? TIMEOUT_MS : attack.timeoutMs * SLOWER;
  const programDir = program.slice(0, program.lastIndexOf("/"));
  const sandbox = await openSandbox(host, { programDir, limits: { ...LIMITS, timeoutMs } });
  try {
    for (let call = 0; call < 2; call++) attack.check(await answerOf(sandbox, attack));
  } finally {
    await sandbox.close();
  }
  return outside;
}

async function answerOf(sandbox: Sandbox, attack: Case): Promise<Answer> {
  const url = `http://vm/${attack.attack}?arg=${encodeURIComponent(attack.argument ?? "")}`;
  const startedAt = performance.now();
  const argv = ["abuse", url];
  const stdin = attack.body ? chunksSource([attack.body]) : null;
  const run = await sandbox.run({ argv, env: { GRANTED: "1" }, stdin });
  const decoder = new TextDecoder();
  let [text, bytes, cut] = ["", 0, false];
  try {
    for await (const chunk of run.stdout()) {
      bytes += chunk.length;
      if (text.length < TEXT_MAX) text += decoder.decode(chunk, { stream: true });
    }
  } catch {
    cut = true;
  }
  const { limit, signal } = await run.record;
  const ms = (performance.now() - startedAt) / SLOWER;
  const hasEnded = limit === null && signal === null;
  const status = bytes > 0 || hasEnded ? 200 : limit === "timeout" ? 504 : 502;
  const code = limit === "timeout" ? "program_timeout" : "program_failed";
  const error = { error: code, ...limit && { limit } };
  return { status, error, facts: readFacts(text), bytes, cut: cut || !hasEnded, ms };
}
