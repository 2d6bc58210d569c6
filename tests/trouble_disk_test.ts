/** A disk that fills, or runs out of inodes, before or while a provider serves from it. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { deploymentLane } from "../lib/permit.ts";
import { type RunningProvider, startProvider } from "../lib/provider/door/serve.ts";
import { readJournal } from "../lib/provider/ledger/store.ts";
import { pause } from "../lib/pause.ts";
import { print } from "../tools/print.ts";
import { ACCOUNTS } from "../worlds/chain/people.ts";
import { hearLog } from "../worlds/heard_log.ts";
import { openProviderHome, type ProviderHome } from "../worlds/provider_home.ts";
import { canMount, openSmallDisk, type SmallDisk } from "../worlds/small_disk.ts";

const MEGABYTES = 96;
const BATCH = { mode: "batch", intervalSeconds: 360 };

const isRunnable = await canMount();
if (!isRunnable) print("not run: tests/trouble_disk_test.ts mounts disks, as root alone may");

interface World extends AsyncDisposable {
  home: ProviderHome;
  disk: SmallDisk;
  start(): Promise<RunningProvider>;
}

async function open(): Promise<World> {
  const stack = new AsyncDisposableStack();
  const home = stack.use(await openProviderHome());
  const disk = stack.use(await openSmallDisk(MEGABYTES));
  home.chain.fake.allow(ACCOUNTS.owner.address, 1_000n, 1_000n);
  const settings = { stateDir: join(disk.dir, "state"), settlement: BATCH };
  return {
    home,
    disk,
    start: () => startProvider(home.config(settings), { log: hearLog().log, graceMs: 5_000 }),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

interface Called {
  status: number;
  retryAfter: string | null;
  text: string;
}

async function call(url: string): Promise<Called> {
  const response = await fetch(url);
  const retryAfter = response.headers.get("retry-after");
  return { status: response.status, retryAfter, text: await response.text() };
}

/** Looks until it is so; the test's own time limit ends one that never is. */
async function until(what: () => Promise<boolean>): Promise<void> {
  while (!await what()) await pause(20);
}

const isHealthy = (url: string) => call(`${url}/healthz`).then(({ status }) => status === 200);

/** Calls while the disk is in trouble: each is answered whole, or free and with a time to come. */
async function callInTrouble(url: string, calls: number): Promise<number> {
  let answered = 0;
  for (let n = 0; n < calls; n++) {
    const { status, retryAfter, text } = await call(url);
    if (status === 200) answered += 1;
    else assert.deepEqual([status, retryAfter], [503, "5"], text);
  }
  return answered;
}

function charged({ disk }: World): number {
  const entries = readJournal(join(disk.dir, "state/book/ledger.db"), {});
  return entries.filter(({ kind }) => kind === "charge").length;
}

Deno.test({
  name: "a disk that fills costs nobody a call that was not answered, and is served from again",
  ignore: !isRunnable,
  async fn() {
    await using world = await open();
    const { home, disk } = world;
    const { cid, spec } = await home.deploy("echo hello");
    const provider = await world.start();
    const url = `${provider.url}/${cid}`;
    assert.equal((await call(url)).text, "hello\n");
    let answered = 1;

    await disk.fill();
    answered += await callInTrouble(url, 20);
    await until(async () => !await isHealthy(provider.url));
    const health = await call(`${provider.url}/healthz`);
    assert.match(health.text, /the provider's disk is full/);
    const refused = await call(url);
    assert.deepEqual([refused.status, refused.retryAfter], [503, "5"]);
    assert.match(refused.text, /the provider's disk is full/);

    await disk.empty();
    await until(() => isHealthy(provider.url));
    assert.equal((await call(url)).status, 200);
    answered += 1;
    assert.equal(charged(world), answered);

    await disk.fill();
    await provider.stop();
    const settled = home.chain.fake.consumed(ACCOUNTS.owner.address, deploymentLane(spec.id));
    assert.equal(settled, BigInt(answered));
  },
});

Deno.test({
  name: "a run that was under way when the disk filled is answered and charged",
  ignore: !isRunnable,
  async fn() {
    await using world = await open();
    const { cid } = await world.home.deploy("echo begun; read -r _; echo done");
    const provider = await world.start();
    const body = new TransformStream<Uint8Array, Uint8Array>();
    const writer = body.writable.getWriter();
    const response = await fetch(`${provider.url}/${cid}`, { method: "POST", body: body.readable });
    await world.disk.fill();
    void writer.write(new TextEncoder().encode("go\n")).then(() => writer.close());
    assert.equal(await response.text(), "begun\ndone\n");
    assert.equal(charged(world), 1);
    await provider.stop();
  },
});

Deno.test({
  name: "a disk without inodes is answered and told likewise",
  ignore: !isRunnable,
  async fn() {
    await using world = await open();
    const { cid } = await world.home.deploy("echo hello");
    const provider = await world.start();
    const url = `${provider.url}/${cid}`;
    assert.equal((await call(url)).status, 200);
    await world.disk.fillFiles();
    const answered = await callInTrouble(url, 20);
    await until(async () => !await isHealthy(provider.url));
    assert.match((await call(`${provider.url}/healthz`)).text, /no room for further files/);
    await world.disk.empty();
    await until(() => isHealthy(provider.url));
    assert.equal((await call(url)).status, 200);
    assert.equal(charged(world), answered + 2);
    await provider.stop();
  },
});

Deno.test({
  name: "a start on a full disk says so by name, and leaves nothing behind",
  ignore: !isRunnable,
  async fn() {
    await using world = await open();
    await world.disk.fill();
    await assert.rejects(world.start(), (error: Error) => {
      assert.match(`${error.message}`, /no space is left on its disk|disk is full/);
      return true;
    });
    await world.disk.empty();
    await (await world.start()).stop();
  },
});
