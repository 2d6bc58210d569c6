import assert from "node:assert/strict";
import { hearLog } from "../../../worlds/heard_log.ts";
import { inFolder } from "../../../worlds/home.ts";
import * as world from "../../../worlds/service_manager.ts";
import { openServiceManager } from "./service_manager.ts";

const environment = (variables: Record<string, string>) => ({
  pid: Deno.pid,
  env: (name: string) => variables[name],
});

for (const isAbstract of [false, true]) {
  const where = isAbstract ? "under an abstract name" : "at a path";
  Deno.test(`a manager ${where} is told, in the order in which it happens`, () =>
    inFolder(async (dir) => {
      await using heard = await world.openServiceManager(dir, isAbstract);
      const { log } = hearLog();
      const manager = openServiceManager(environment({ NOTIFY_SOCKET: heard.socket }), log);
      assert.equal(manager.isThere, true);
      void manager.tell({ RELOADING: "1" });
      await manager.tell({ READY: "1", MAINPID: "7", STATUS: "two\nlines" });
      await heard.heard(/^READY/);
      assert.deepEqual(heard.told, ["RELOADING=1", "READY=1 MAINPID=7 STATUS=two lines"]);
    }));
}

Deno.test("one that wants to hear that we live does", () =>
  inFolder(async (dir) => {
    await using heard = await world.openServiceManager(dir);
    const variables = { NOTIFY_SOCKET: heard.socket, WATCHDOG_USEC: "20000" };
    const manager = openServiceManager(environment(variables), hearLog().log);
    manager.keepWatch();
    // The timer alone keeps no process alive.
    const alive = setInterval(() => {}, 1_000);
    await heard.heard(/^WATCHDOG=1$/);
    clearInterval(alive);
    manager.close();
    await manager.tell({ STATUS: "last" });
  }));

Deno.test("without a manager nothing is told, and one that is gone stops nobody", async () => {
  const { log, lines } = hearLog();
  const none = openServiceManager(environment({}), log);
  assert.equal(none.isThere, false);
  await none.tell({ READY: "1" });
  assert.deepEqual(lines, []);
  const gone = openServiceManager(environment({ NOTIFY_SOCKET: "/nowhere/notify" }), log);
  await gone.tell({ READY: "1" });
  assert.match(lines.join(), /the service manager could not be told.*No such file/);
});
