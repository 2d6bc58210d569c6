import assert from "node:assert/strict";
import { join } from "node:path";
import { openProviderHome } from "../../worlds/provider_home.ts";
import { fakeWorld } from "../../worlds/terminal.ts";
import { makeFolders } from "../files.ts";
import { placeForControl } from "../provider/control/control_path.ts";
import { openControl } from "../provider/control/control_server.ts";
import { runCli } from "./cli.ts";
import { COMMANDS } from "./table.ts";

const TOOL = "#!/bin/sh\n# A tool of the system's\n";

Deno.test("a provider that says another program is its own has nothing of it replaced", async () => {
  await using home = await openProviderHome();
  await home.write();
  const book = join(home.dir, "state", "book");
  await makeFolders(book, 0o700);
  const tool = join(home.dir, "tool");
  for (const name of [tool, `${tool}.previous`]) {
    await Deno.writeTextFile(name, TOOL, { mode: 0o755 });
  }
  const { ino } = await Deno.stat(tool);
  const control = await openControl(await placeForControl(book));
  control.on("program", () => Promise.resolve({ version: "0.1.0", file: tool }));
  control.on("reload", () => Promise.resolve({ outcome: "succeeded" }));
  try {
    const world = fakeWorld(["upgrade", "--rollback", "--home", home.dir, "--json"], { env: {} });
    const code = await runCli(world, COMMANDS);
    assert.equal((await Deno.stat(tool)).ino, ino);
    assert.equal(JSON.parse(world.stdoutText()).error, "access_denied");
    assert.equal(code, 6);
  } finally {
    await control.close();
  }
});
