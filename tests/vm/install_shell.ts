/** What the steps ask of the machine, as root. */
import assert from "node:assert/strict";
import { makeFolder } from "../../worlds/home.ts";
import type { Agent } from "./agent.ts";

export const HOME = "/var/lib/khachapuri";
/** Of a wait within the machine, seconds: emulation is slow. */
const PATIENCE_SECONDS = 240;
/** Of /proc/stat: 1 s. */
const TICKS = 100;

/** Of bash's `time`, seconds. */
function processorTime(said: string): number {
  const [user, system] = said.trim().split("\n").at(-1)!.split(" ").map(Number);
  return user! + system!;
}

export interface Timed {
  readonly text: string;
  /** Of all that the machine did meanwhile. */
  readonly processorSeconds: number;
  /** What it took, in words. */
  readonly figures: string;
}

export interface Shell {
  /** @throws unless it ends with that exit code; returns what it said */
  paste(script: string, expected?: number): Promise<string>;
  /** Waits until a command of the machine's succeeds. */
  until(command: string): Promise<void>;
  timed(command: string): Promise<Timed>;
  /** How many times the processor time of the host's own a start of the package takes there. */
  slowness(file: string): Promise<number>;
  /** The provider's process, as systemd knows it. */
  mainPid(): Promise<number>;
  /** Resolves when it has come up again. */
  reboot(): Promise<void>;
}

export function openShell(agent: Agent): Shell {
  const paste = async (script: string, expected = 0): Promise<string> => {
    const { code, said } = await agent.paste(script);
    assert.equal(code, expected, `${script}\n${said}`);
    return said;
  };
  const busyTicks = async () => {
    const [, user, nice, system] = (await paste("head -1 /proc/stat")).split(/\s+/).map(Number);
    return user! + nice! + system!;
  };
  return {
    paste,
    async until(command) {
      const look = `until ${command}; do sleep 0.5; done`;
      await paste(`timeout ${PATIENCE_SECONDS} bash -c '${look}'`);
    },
    async timed(command) {
      const before = await busyTicks();
      const text = await paste(`date +%s.%N; ${command}; date +%s.%N`);
      const cpu = (await busyTicks() - before) / TICKS;
      const lines = text.trimEnd().split("\n");
      const seconds = Number(lines.at(-1)) - Number(lines[0]);
      const figures = `${seconds.toFixed(1)} s, ${cpu.toFixed(1)} s of its 2 processors' time`;
      return { text: lines.slice(1, -1).join("\n"), processorSeconds: cpu, figures };
    },
    async slowness(file) {
      await using folder = await makeFolder();
      const start = (path: string) =>
        `${path} --version >/dev/null; TIMEFORMAT='%U %S'; time ${path} --version >/dev/null`;
      const here = await new Deno.Command("bash", {
        args: ["-euc", start(file)],
        env: { XDG_CACHE_HOME: folder.dir },
      }).output();
      const there = await paste(`bash -euc "${start("khachapuri")}"`);
      return processorTime(there) / processorTime(new TextDecoder().decode(here.stderr));
    },
    async reboot() {
      await paste("setsid sh -c 'sleep 1; systemctl reboot' >/dev/null 2>&1 &");
      await agent.nextReady();
    },
    async mainPid() {
      return Number(await paste("systemctl show --value -p MainPID khachapuri"));
    },
  };
}
