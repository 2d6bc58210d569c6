/** How a small program is run where nothing of it matters to a test. */
import type { StagedProgram } from "../../lib/provider/program/stage.ts";

export const SMALL_PROGRAM: StagedProgram = {
  entrypoint: "./main",
  args: [],
  env: {},
  interface: "curl",
  egress: [],
  connectTo: {},
  timeoutMs: 5_000,
  memoryMb: 64,
};
