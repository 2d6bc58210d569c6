/**
 * A bare server in a folder, for `up` and `down`: its files are real ones, its tools do to them
 * what the real ones would, and remember in which order they were used. What runs as the provider's
 * user is the real command line.
 */
import { dirname, join } from "node:path";
import type { MachineSettings, ToolRun } from "../sandbox/system.ts";
import { runCli } from "../lib/cli/cli.ts";
import type { Machine } from "../lib/cli/up/machine_facts.ts";
import { fakeWorld } from "./terminal.ts";

const TOOLS = ["/usr/bin/bwrap", "/usr/sbin/sysctl", "/usr/sbin/runuser"];

export interface BareMachine extends Machine {
  /** Each use of a tool, in a line. */
  readonly used: string[];
  /** What the kernel is set to; tools change it. */
  readonly kernel: { -readonly [K in keyof MachineSettings]: MachineSettings[K] };
  /** Units that are enabled, and those that are active. */
  readonly enabled: Set<string>;
  readonly active: Set<string>;
  /** A tool whose next use fails, by the beginning of its line. */
  failing: string | null;
  /** What commands that run as the user answer, by name, besides `init`. */
  readonly says: Map<string, ToolRun>;
}

/** @param root an empty folder */
export async function bareMachine(root: string): Promise<BareMachine> {
  const at = (path: string) => join(root, path);
  const put = async (path: string, text: string) => {
    await Deno.mkdir(dirname(at(path)), { recursive: true });
    await Deno.writeTextFile(at(path), text);
  };
  await put("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\n");
  await put("/srv/khachapuri", "#!/bin/sh\n# Khachapuri 0.1.0: a stub\n");
  await put("/run/systemd/system/.keep", "");
  for (const tool of TOOLS) await put(tool, "");
  const machine: BareMachine = {
    root,
    uid: 0,
    ownFile: at("/srv/khachapuri"),
    used: [],
    kernel: {
      migrateReq: "0",
      usernsClone: "1",
      apparmorUserns: null,
      hasProfile: null,
      addresses: ["192.0.2.2"],
    },
    enabled: new Set(),
    active: new Set(),
    failing: null,
    says: new Map(),
    settings: () => Promise.resolve({ ...machine.kernel }),
    async run(words, input = "") {
      const line = words.join(" ");
      if (!/ show /.test(line)) machine.used.push(line);
      if (machine.failing !== null && line.startsWith(machine.failing)) {
        machine.failing = null;
        return { code: 1, stdout: "", stderr: "it broke" };
      }
      return await useTool(machine, put, words, input);
    },
  };
  return machine;
}

const done = (stdout = ""): ToolRun => ({ code: 0, stdout, stderr: "" });

async function useTool(
  machine: BareMachine,
  put: (path: string, text: string) => Promise<void>,
  [tool = "", ...words]: readonly string[],
  input: string,
): Promise<ToolRun> {
  switch (tool) {
    case "apt-get": {
      const names: Record<string, string> = { bubblewrap: TOOLS[0]!, procps: TOOLS[1]! };
      for (const word of words) if (names[word]) await put(names[word], "");
      if (words.includes("apparmor")) await put("/usr/sbin/apparmor_parser", "");
      return done();
    }
    case "useradd": {
      const line = `khachapuri:x:${Deno.uid()}:${Deno.gid()}::/:/usr/sbin/nologin\n`;
      await Deno.writeTextFile(join(machine.root, "/etc/passwd"), line, { append: true });
      return done();
    }
    case "sysctl":
      Object.assign(machine.kernel, { migrateReq: "1", usernsClone: "1" });
      return done();
    case "apparmor_parser":
      machine.kernel.hasProfile = words[0] === "-r";
      return done();
    case "systemctl":
      return done(systemctl(machine, words));
    case "journalctl":
      return done();
    case "runuser":
      return await asUser(machine, words, input);
  }
  throw new Error(`no such tool: ${tool}`);
}

function systemctl({ enabled, active }: BareMachine, [verb, ...words]: readonly string[]): string {
  const units = words.filter((word) => /^khachapuri/.test(word));
  for (const unit of units) {
    if (verb === "enable") enabled.add(unit);
    if (verb === "disable") enabled.delete(unit);
    if (verb === "start" || verb === "restart") active.add(unit);
    if (verb === "stop") active.delete(unit);
  }
  const state = (unit: string) =>
    `Id=${unit}\nActiveState=${active.has(unit) ? "active" : "inactive"}\n` +
    `UnitFileState=${enabled.has(unit) ? "enabled" : ""}\nNeedDaemonReload=no\nStatusText=\n`;
  return verb === "show" ? units.map(state).join("\n") : "";
}

/** The command line, with the home where it lies in the folder. */
async function asUser(
  { root, says }: BareMachine,
  [, ...words]: readonly string[],
  input: string,
): Promise<ToolRun> {
  const answer = says.get(words[0]!);
  if (answer) return answer;
  const from = await Deno.makeTempFile();
  await Deno.writeTextFile(from, input);
  const args = words.map((word, index) =>
    words[index - 1] === "--home" ? join(root, word) : word === "-" ? from : word
  );
  const world = fakeWorld(args);
  const code = await runCli(world);
  await Deno.remove(from);
  return { code, stdout: world.stdoutText(), stderr: world.stderrText() };
}
