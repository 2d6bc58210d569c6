/** What becomes of a provider on its machine, step by step: each goes on from the one before. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Address } from "viem";
import { pause } from "../../lib/pause.ts";
import { giveEther } from "../../worlds/chain/anvil_calls.ts";
import type { Load } from "../../worlds/load.ts";
import type { Callers } from "./install_callers.ts";
import type { Shell } from "./install_shell.ts";
import { HOME } from "./install_shell.ts";
import { LATER } from "./install_packages.ts";
import { fromMachine, type World } from "./install_world.ts";
import { VERSION } from "../../lib/version.ts";

/** By what each shows; it returns a word on how it went. */
export type Steps = Record<string, () => Promise<string>>;

/** Of processor time, were the machine not emulated. */
const UP_SECONDS_MAX = 60;

/**
 * From a bare machine to one that earns.
 * @param file the package that it is set up from
 */
export function settingUp(world: World, file: string, shell: Shell, callers: Callers): Steps {
  const { paste, until } = shell;
  let line = "";
  return {
    async "the machine has systemd in charge, and nothing of ours"() {
      await until('systemctl is-system-running | grep -qE "^(running|degraded)$"');
      await paste(`cp ca.pem /etc/ssl/pebble.pem; test ! -e ${HOME}; test ! -e /usr/bin/bwrap`);
      return (await paste("uname -r; systemctl is-system-running || true")).replaceAll("\n", " ");
    },
    async "up sets it up, and ends with what is left to do"() {
      const said = await shell.timed("./khachapuri up --answers answers.json --terms terms.txt");
      assert.match(said.text, /apt-get -q -y .*install .*bubblewrap/);
      assert.match(said.text, /^waiting for: 0x[0-9a-fA-F]{40} may not settle/m);
      line = /^ {2}(khachapuri register .*)$/m.exec(said.text)![1]!;
      const slower = await shell.slowness(file);
      const seconds = said.processorSeconds / slower;
      const figures = `${seconds.toFixed(1)} s of this machine's processor: ${said.figures}, ` +
        `which is ${slower.toFixed(1)} times slower`;
      assert(seconds <= UP_SECONDS_MAX, figures);
      return figures;
    },
    async "the line pasted where the provider key is has it serve by itself"() {
      // 10.0.2.2 is what the machine calls this one.
      const [, ...words] = line.replace(fromMachine(world.rpc), world.rpc).split(" ");
      const key = join(world.home("provider"), "provider-key.json");
      await world.ask("provider", ...words, "--keys", key);
      const operator = /--operator (0x\w+)/.exec(line)![1]!;
      await giveEther(world.chain, operator as Address);
      const begun = Date.now();
      await until(`khachapuri certificate --home ${HOME} --json | grep -q notAfter`);
      return `${((Date.now() - begun) / 1_000).toFixed(1)} s after the operator had its gas`;
    },
    async "callers see the CA's certificate, over HTTP/2"() {
      const { status, version, body } = await callers.curl("/healthz");
      assert.equal(status, 200, body);
      assert.equal(version, "2");
      assert.equal((await callers.curl("/readyz")).status, 200);
      return body.trim().slice(0, 60);
    },
    async "a developer deploys from elsewhere, and a call is paid for"() {
      await callers.deploy();
      const { status, body } = await callers.call("hello");
      assert.equal(`${status} ${body}`, "200 hello\n");
      return "hello";
    },
    async "a memory bomb ends at its cgroup's limit, and a neighbour lives"() {
      const neighbour = callers.call("slow");
      const bomb = await callers.call("bomb");
      assert.equal(bomb.status, 502, bomb.body);
      assert.match(bomb.body, /memory/);
      assert.equal((await neighbour).body, "slept\n");
      const killed = await paste(
        "journalctl -k -b --no-pager | grep 'Memory cgroup out of memory'",
      );
      assert.match(killed, /\(tail\)|tail/);
      return killed.split("\n")[0]!.slice(0, 140);
    },
  };
}

/** What is done to it in months. */
export function lookingAfter(shell: Shell, callers: Callers): Steps {
  const { paste } = shell;
  const config = `${HOME}/config.json`;
  return {
    async "a second up changes nothing"() {
      const before = await shell.mainPid();
      const said = await paste("khachapuri up");
      assert.match(said, /^nothing was to be changed\nserving +http/m);
      assert.equal(await shell.mainPid(), before);
      return said.split("\n").slice(0, 2).join(", ");
    },
    async "systemctl reload after a change of the price: calls under way go on"() {
      const [before, underWay] = [await shell.mainPid(), callers.call("slow")];
      const init = `khachapuri init --home ${HOME} --price 0.002 --keep-price forever`;
      await paste(`runuser -u khachapuri -- ${init}; systemctl reload khachapuri`);
      assert.equal((await underWay).body, "slept\n");
      assert.notEqual(await shell.mainPid(), before, "another process serves");
      const told = await paste(
        "journalctl -b --no-pager -o cat -u khachapuri | grep -E 'provider.price'",
      );
      return told.trim().split("\n").at(-1)!.slice(0, 200);
    },
    async "a wrong configuration is refused whole by systemctl reload, with the reason"() {
      const before = await shell.mainPid();
      await paste(
        `cp -p ${config} config.good; sed -i 's/"price": "2000"/"price": "x"/' ${config}`,
      );
      const refused = await paste("! systemctl reload khachapuri");
      await paste(`cp -p config.good ${config}`);
      const journal = await paste("journalctl -b --no-pager -o cat -u khachapuri -n 10");
      assert.match(journal, /provider\.price/);
      assert.equal(await shell.mainPid(), before);
      assert.equal((await callers.call("hello")).status, 200);
      return refused.trim().split("\n")[0]!;
    },
    async [`upgrade to ${LATER} under load loses no call`]() {
      const file = `khachapuri-${LATER}-linux-x86_64`;
      // Emulated, unpacking alone takes about as long as a successor may: it is done before.
      const start = `env XDG_CACHE_HOME=${HOME}/cache /tmp/later --version`;
      await paste(`cp ${file} /tmp/later; runuser -u khachapuri -- ${start}; rm /tmp/later`);
      const told = await underLoad(
        callers,
        () => paste(`khachapuri upgrade ${file} --home ${HOME}`),
      );
      assert.match(await paste("khachapuri --version"), new RegExp(LATER.replaceAll(".", "\\.")));
      return told;
    },
    async "upgrade --rollback under load loses none"() {
      const back = `khachapuri upgrade --rollback --home ${HOME}`;
      const told = await underLoad(callers, () => paste(back));
      assert.match(await paste("khachapuri --version"), new RegExp(VERSION.replaceAll(".", "\\.")));
      return told;
    },
  };
}

const ANSWERS_AFTER = 20;
const CALLS_AT_ONCE = 4;

async function more(load: Load, count: number): Promise<void> {
  const wanted = load.answered() + count;
  while (load.answered() + load.errors.length < wanted) await pause(50);
}

/** @throws unless all that was called meanwhile, before and after it was answered */
async function underLoad(callers: Callers, change: () => Promise<unknown>): Promise<string> {
  const load = await callers.load();
  try {
    await more(load, ANSWERS_AFTER);
    const usual = load.times().at(-1)!;
    const begun = Date.now();
    await change();
    const took = Date.now() - begun;
    await more(load, ANSWERS_AFTER);
    const longest = load.times().at(-1)!;
    assert.deepEqual(load.errors, []);
    return `${load.answered()} answers, 0 errors, longest wait ${longest.toFixed(0)} ms ` +
      `(before: ${usual.toFixed(0)} ms), it took ${took} ms`;
  } finally {
    await load.stop();
  }
}

/** What befalls it. */
export function befalling(shell: Shell, callers: Callers): Steps {
  const { paste } = shell;
  return {
    async "kill -9 under load: systemd starts it anew, and calls wait in its socket"() {
      const load = await callers.load();
      try {
        await more(load, ANSWERS_AFTER);
        const before = await shell.mainPid();
        await paste(`kill -9 ${before}`);
        const begun = Date.now();
        const { status, body } = await callers.call("hello");
        const took = Date.now() - begun;
        assert.equal(`${status} ${body}`, "200 hello\n");
        await more(load, ANSWERS_AFTER);
        assert.notEqual(await shell.mainPid(), before);
        assert(load.errors.length <= CALLS_AT_ONCE, load.errors.join("\n"));
        return `a call that came then was answered after ${took} ms; ` +
          `${load.errors.length} that ran were lost`;
      } finally {
        await load.stop();
      }
    },
    async "it comes up by itself after a reboot, with its certificate, and earns"() {
      const certificate = () => paste(`khachapuri certificate --home ${HOME} --json`);
      const { certificate: before } = JSON.parse(await certificate());
      const begun = Date.now();
      await shell.reboot();
      const { status, body } = await callers.call("hello");
      const took = ((Date.now() - begun) / 1_000).toFixed(0);
      assert.equal(`${status} ${body}`, "200 hello\n");
      assert.deepEqual(JSON.parse(await certificate()).certificate, before);
      await paste("! journalctl -b -o cat -u khachapuri | grep 'a certificate was had'");
      return `earning ${took} s after it was told to go down`;
    },
    async "what was answered is charged, in the books and on the chain"() {
      await paste(`khachapuri settle --home ${HOME}`);
      const { entries } = JSON.parse(await paste(`khachapuri ledger --home ${HOME} --json`));
      const charged = entries.filter(({ kind }: { kind: string }) => kind === "charge").length;
      const [settled, paid, lost] = [await callers.settled(), callers.paid(), callers.lost()];
      assert.equal(settled, BigInt(charged));
      const figures = `${paid} answered, ${lost} lost by the kill, ${charged} charged and settled`;
      assert(charged >= paid && charged <= paid + lost, figures);
      return figures;
    },
  };
}

/** Lines of priority "err" or worse that belong to what was done here. */
const EXPECTED: readonly RegExp[] = [
  // The bomb.
  /kernel: Memory cgroup out of memory: Killed process/,
  // The configuration that was wrong.
  /systemd\[1\]: Reload failed for /,
];
/** Of the provider's own errors, what was done to it. */
const OWN_EXPECTED = "reload refused";

/** What is left of it. */
export function takingDown(shell: Shell): Steps {
  const { paste } = shell;
  return {
    async "the journal is clean, no unit has failed, and systemd finds nothing in the units"() {
      const lines = (await paste("journalctl --no-pager -q -p err -o short")).trim().split("\n");
      const odd = lines.filter((line) => line && !EXPECTED.some((one) => one.test(line)));
      const own = await paste(
        "journalctl --no-pager -q -o cat -u khachapuri | " +
          `grep '"level":"error"' | grep -v '${OWN_EXPECTED}' || true`,
      );
      const failed = await paste("systemctl --failed --no-legend");
      const units = "khachapuri.service khachapuri.socket khachapuri-http.socket";
      const verified = await paste(`systemd-analyze verify ${units} 2>&1`);
      assert.deepEqual({ odd, own, failed, verified }, {
        odd: [],
        own: "",
        failed: "",
        verified: "",
      });
      return `expected: ${lines.filter(Boolean).length} of the bomb's`;
    },
    async "down takes it off: keys and books stay"() {
      const said = await paste("khachapuri down");
      assert.match(said, /the provider is down\nleft .*\nunsettled 0 USDC/);
      await paste(`test -e ${HOME}/keys.json; test -e ${HOME}/state/book/ledger.db`);
      const left = await paste("ls /etc/systemd/system /etc/sysctl.d /usr/local/bin");
      assert.doesNotMatch(left, /khachapuri/);
      await paste("! ss -ltn | grep -E ':(80|443) '");
      assert.match(await paste("./khachapuri down"), /nothing was to be taken down/);
      return (/^left .*$/m.exec(said)![0]);
    },
  };
}
