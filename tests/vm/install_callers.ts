/** Callers of the machine, on the host: what they deploy there, and how they call it over HTTPS. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { earned } from "../../lib/chain/escrow_provider.ts";
import { makeFolder } from "../../worlds/home.ts";
import { type Load, startLoad } from "../../worlds/load.ts";
import { NAME } from "../../worlds/local_world.ts";
import { DOMAIN, type World } from "./install_world.ts";

const PRICE = 1_000n;
/** Emulation is slow: a shell may take seconds. */
const TIMEOUT_SECONDS = "30";

/** By name, each a program of a line. */
const PROGRAMS = {
  hello: "printf 'hello\\n'",
  slow: "sleep 8; printf 'slept\\n'",
  bomb: "exec tail /dev/zero",
};
type Program = keyof typeof PROGRAMS;

export interface Answered {
  readonly status: number;
  readonly version: string;
  readonly body: string;
}

export interface Callers {
  /** Puts the programs there. */
  deploy(): Promise<void>;
  /** One call by curl, which trusts the test's CA alone. */
  call(program: Program): Promise<Answered>;
  curl(path: string): Promise<Answered>;
  /** Calls at four at a time, without a pause. */
  load(): Promise<Load>;
  /** Answers of programs that were to be paid for, so far. */
  paid(): number;
  /** Calls of a load that were not answered: they may have been charged. */
  lost(): number;
  /** What the escrow has for the provider, credits. */
  settled(): Promise<bigint>;
}

export function openCallers(world: World): Callers {
  const cids = new Map<Program, string>();
  let [answers, lost] = [0, 0];
  const curl = async (path: string): Promise<Answered> => {
    const { stdout, stderr } = await new Deno.Command("curl", {
      args: [
        ...["-q", "-sS", "--max-time", "120", "--cacert", world.rootFile],
        ...["-w", "\n%{http_code} %{http_version}", `https://${DOMAIN}${path}`],
      ],
    }).output();
    const [text, said] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    const [, body, status, version] = /^([^]*)\n(\d+) (\S+)$/.exec(text!)!;
    return { status: Number(status), version: version!, body: body! + said };
  };
  return {
    curl,
    async deploy() {
      await world.ask("developer", "allow", NAME, "--credits", "20000");
      for (const [name, program] of Object.entries(PROGRAMS)) {
        await using folder = await makeFolder();
        const main = join(folder.dir, "main");
        await Deno.writeTextFile(main, `#!/bin/sh\n${program}\n`, { mode: 0o755 });
        const flags = ["--provider", NAME, "--accept-terms", "--no-dry-run"];
        const limits = ["--timeout", TIMEOUT_SECONDS, "--memory", "64"];
        const made = await world.ask<{ cid: string }>(
          "developer",
          ...["deploy", folder.dir, ...flags, ...limits],
        );
        cids.set(name as Program, made.cid);
      }
    },
    async call(program) {
      const answer = await curl(`/${cids.get(program)}`);
      if (answer.status === 200 || answer.status === 502) answers += 1;
      return answer;
    },
    async load() {
      const caCerts = [await Deno.readTextFile(world.rootFile)];
      const connect = () => Deno.connectTls({ hostname: DOMAIN, port: 443, caCerts });
      const path = `/${cids.get("hello")}`;
      const load = startLoad({ connect, path, answer: "hello\n", kept: 2, fresh: 2 });
      const stop = async () => {
        await load.stop();
        answers += load.answered();
        lost += load.errors.length;
      };
      return { ...load, stop };
    },
    paid: () => answers,
    lost: () => lost,
    async settled() {
      const base = await earned(world.chain, world.escrow, world.addresses.provider);
      assert.equal(base % PRICE, 0n, "the price has stayed for these deployments");
      return base / PRICE;
    },
  };
}
