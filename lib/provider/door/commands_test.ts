import assert from "node:assert/strict";
import { join } from "node:path";
import { askControl } from "../control/control_client.ts";
import { openControl } from "../control/control_server.ts";
import { VERSION } from "../../version.ts";
import { takeCommands } from "./commands.ts";
import { Readiness } from "./readiness.ts";

Deno.test("a provider that runs says which process it is, and where it listens", async () => {
  const book = await Deno.makeTempDir({ dir: "/tmp" });
  const control = await openControl(join(book, "control.sock"));
  const status = { pid: Deno.pid, url: "http://127.0.0.1:8402", since: 1 };
  const readiness = new Readiness();
  const alarms = ["the operator has no coin"];
  takeCommands(control, { readiness, alarms: () => alarms }, status);
  const told = { ...status, version: VERSION, alarms };
  assert.deepEqual(await askControl(book, "status"), { done: { ...told, state: "starting" } });
  readiness.begin();
  assert.deepEqual(await askControl(book, "status"), { done: { ...told, state: "ready" } });
  await control.close();
  await Deno.remove(book, { recursive: true });
});
