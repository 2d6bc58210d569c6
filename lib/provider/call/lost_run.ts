/** The run of a request whose server did not come up: nothing but its end, which costs a run. */
import type { RunRecord } from "../../../sandbox/sandbox.ts";
import type { KhachapuriError } from "../../errors.ts";
import type { ProgramRun } from "../program/interface/interface.ts";

/**
 * @param why what its caller is told
 * @param begunAt when it was begun to be waited for, on the clock of `performance.now()`
 */
export function lostRun(why: KhachapuriError, begunAt: number): ProgramRun {
  const record: RunRecord = {
    exit: null,
    signal: null,
    limit: why.data?.limit === "aborted" ? "aborted" : null,
    wallMs: performance.now() - begunAt,
    listeningPort: null,
    cpuMs: null,
    peakMemoryBytes: null,
    stdinBytes: 0,
    stdoutBytes: 0,
    stderrBytes: 0,
    egress: null,
    stderr: new Uint8Array(0),
  };
  return {
    record: Promise.resolve(record),
    respond: () => Promise.reject(why),
    isComplete: () => true,
    begun: () => begunAt,
    kill() {},
    extend() {},
  };
}
