/** Whoever hangs up, stalls or sends nonsense leaves nothing behind: before and after, counted. */
import assert from "node:assert/strict";
import { startChildProvider } from "../../worlds/child_provider.ts";
import { pause } from "../../lib/pause.ts";
import { type Attack, ATTACKS } from "./attacks.ts";
import { type Census, leftover, settledLeftover, type Slack, takeCensus } from "./census.ts";
import { Connection } from "./connection.ts";
import { openStage, type Stage } from "./stage.ts";

const TIMES = 30;
/** Runs that nobody waits for have to be over long before their time limit, which is 15 s. */
const PATIENCE_MS = 20_000;
/** Journals and logs come and go; what thirty connections leave is more. */
const SLACK: Slack = { descriptors: 4, processes: 1, inodes: 4, rssKib: 48 * 1024 };

interface Attacked {
  readonly stage: Stage;
  readonly port: number;
  count(): Promise<Census>;
}

/** So many connections at once, given up together. */
async function attack({ stage, port }: Attacked, { begin, hasRun }: Attack, times: number) {
  const open = async (...pieces: string[]) => {
    const connection = await Connection.open(port);
    for (const piece of stage.addressed(pieces)) await connection.send(piece);
    return connection;
  };
  using held = new DisposableStack();
  for (const one of await Promise.all(Array.from({ length: times }, () => begin(open)))) {
    held.use(one);
  }
  if (hasRun) await until(async () => await runs(port) >= times, "the runs do not begin");
}

async function until(isSo: () => Promise<boolean>, otherwise: string): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  while (!await isSo()) {
    assert.ok(Date.now() < end, otherwise);
    await pause(20);
  }
}

async function runs(port: number): Promise<number> {
  using connection = await Connection.open(port);
  await connection.send("GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  return JSON.parse((await connection.readAnswer("GET", PATIENCE_MS))!.body).runs;
}

Deno.test("nothing is left of those who gave up", async (t) => {
  await using stage = await openStage();
  await stage.market.provider.stop();
  const provider = await startChildProvider(stage.market.home);
  const port = Number(new URL((await provider.url)!).port);
  const count = () => takeCensus(provider.pid, stage.market.home);
  const attacked = { stage, port, count };
  // What is opened once, at the first of its kind, is no leak.
  for (const each of ATTACKS) await attack(attacked, each, 2).catch(() => {});
  const first = await count();
  for (const each of ATTACKS) {
    await t.step(each.name, async () => {
      const before = await count();
      await attack(attacked, each, TIMES);
      await until(async () => await runs(port) === 0, "runs go on for nobody");
      const left = await settledLeftover(before, count, SLACK, PATIENCE_MS);
      assert.equal(left, "", "left over");
    });
  }
  await t.step("all of them together", async () => {
    assert.equal(await settledLeftover(first, count, SLACK, PATIENCE_MS), "", "left over");
  });
  assert.equal(await provider.stop(), 0);
});

Deno.test("the census sees what a server loses", async (t) => {
  for (const leak of ["descriptors", "processes", "inodes", "rssKib", "nothing"] as const) {
    await t.step(leak, async () => {
      const home = await Deno.makeTempDir();
      const script = new URL("leaky_server.ts", import.meta.url).pathname;
      const child = new Deno.Command(Deno.execPath(), {
        args: ["run", "--no-config", "--no-prompt", "-A", script, leak, home],
        stdout: "piped",
      }).spawn();
      const reader = child.stdout.getReader();
      const port = Number(new TextDecoder().decode((await reader.read()).value));
      const before = await takeCensus(child.pid, home);
      for (let times = TIMES; times > 0; times--) {
        using connection = await Connection.open(port);
        assert.equal(await connection.readEnd(PATIENCE_MS), "closed");
      }
      const left = leftover(before, await takeCensus(child.pid, home), SLACK);
      child.kill();
      await child.status;
      await reader.cancel();
      await Deno.remove(home, { recursive: true });
      if (leak === "nothing") assert.equal(left, "");
      else assert.match(left, new RegExp(`^${leak}|; ${leak}`));
    });
  }
});
