import assert from "node:assert/strict";
import { VERSION } from "../../version.ts";
import { openControl } from "../control/control_server.ts";
import { placeForControl } from "../control/control_path.ts";
import type { Status } from "./commands.ts";
import { checkRunning, runningLook } from "./running_check.ts";

const STATUS: Status = {
  pid: 7,
  url: "http://127.0.0.1:8402",
  since: Date.parse("2026-11-30T00:00:00Z"),
  version: VERSION,
  state: "ready",
  alarms: [],
};

Deno.test("a provider that is well is good news, and its facts are told", () => {
  const { detail, hints, data } = runningLook(STATUS);
  assert.match(detail, /process 7 of release .* since 2026-11-30T00:00:00Z/);
  assert.deepEqual(hints, []);
  assert.deepEqual(data, { ...STATUS, since: "2026-11-30T00:00:00Z" });
});

Deno.test("alarms, a state in which no calls are taken, and another release are doubtful", () => {
  const hintsOf = (changes: Partial<Status>) => runningLook({ ...STATUS, ...changes }).hints!;
  assert.deepEqual(hintsOf({ alarms: ["the operator has no coin"] }), ["the operator has no coin"]);
  assert.match(hintsOf({ state: "draining" })[0]!, /takes no calls/);
  assert.match(hintsOf({ version: "0.0.1" })[0]!, /start anew/);
});

Deno.test("where none runs that is said, and one that runs is asked", async () => {
  const book = await Deno.makeTempDir({ dir: "/tmp" });
  assert.match((await checkRunning(book)).detail, /no provider runs/);
  const control = await openControl(await placeForControl(book));
  control.on("status", () => Promise.resolve(STATUS));
  assert.deepEqual((await checkRunning(book)).hints, []);
  await control.close();
  await Deno.remove(book, { recursive: true });
});
