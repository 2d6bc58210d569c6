/** The run of a request whose server did not come up: nothing but its end, which costs a run. */
import type { KhachapuriError } from "../../errors.ts";
import type { ProgramRun } from "../program/interface/interface.ts";
import { requestRecord } from "../server/request_record.ts";

/**
 * @param why what its caller is told
 * @param begunAt when it was begun to be waited for, on the clock of `performance.now()`
 */
export function lostRun(why: KhachapuriError, begunAt: number): ProgramRun {
  const record = requestRecord({
    exit: null,
    signal: null,
    limit: why.data?.limit === "aborted" ? "aborted" : null,
    wallMs: performance.now() - begunAt,
    stdinBytes: 0,
    stdoutBytes: 0,
  });
  return {
    record: Promise.resolve(record),
    respond: () => Promise.reject(why),
    isComplete: () => true,
    begun: () => begunAt,
    kill() {},
    extend() {},
  };
}
