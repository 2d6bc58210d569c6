/** The samples as their READMEs have them: each one's commands, run as they are written. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openAllowances, openProvider, writeCommand } from "../tools/devnet.ts";
import { isOnPath } from "../tools/requirements.ts";
import { type Block, readBlocks } from "../worlds/documents/blocks.ts";
import { freePort } from "../worlds/free_port.ts";
import { type LocalWorld, type Person, startLocalWorld } from "../worlds/local_world.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

interface Place {
  world: LocalWorld;
  /** Copies of what is in this repository, for what is installed or built among the samples. */
  clone: string;
  /** With the command line in it. */
  bin: string;
  /** Where the READMEs' upstreams listen here, by the port that they name. */
  ports: Readonly<Record<string, number>>;
  /** What `deploy` printed last. */
  cid: string;
}

interface Pasted {
  code: number;
  said: string;
}

/** Where there is no Node, Deno runs what is written for it. */
async function writeNode(bin: string): Promise<void> {
  if (await isOnPath("node")) return;
  const script =
    `#!/bin/sh\nexec '${Deno.execPath()}' run --quiet --no-config --allow-net --allow-read "$@"\n`;
  await Deno.writeTextFile(join(bin, "node"), script, { mode: 0o755 });
}

/** Without what somebody has installed among them. */
async function cloneSamples({ dir }: LocalWorld): Promise<string> {
  const clone = join(dir, "clone");
  await Deno.mkdir(clone);
  const { success } = await new Deno.Command("cp", {
    args: ["-r", join(ROOT, "samples"), join(ROOT, "README.md"), clone],
  }).output();
  assert.ok(success);
  for (const sample of ["express", "websocket-chat"]) {
    await Deno.remove(join(clone, "samples", sample, "node_modules"), { recursive: true })
      .catch(() => {});
  }
  return clone;
}

/** Whether programs find it too, who see /usr and nothing of ours. */
async function isInstalled(...paths: string[]): Promise<boolean> {
  const found = await Promise.all(paths.map((path) => Deno.stat(path).catch(() => null)));
  return found.every((each) => each !== null);
}

/** Pastes commands as a person of the devnet. */
async function paste(place: Place, person: string, text: string): Promise<Pasted> {
  const { world, bin, ports, cid } = place;
  const changes: [string | RegExp, string][] = [
    ...Object.entries(ports).map(([from, to]): [string, string] => [from, String(to)]),
    [/\bCID\b/g, cid],
    [/\bURL\b/g, `${world.webDomain}/${cid}`],
    // What stays behind would hold the terminal, and has to go in the end.
    [/ &$/gm, ' >>"$HOME/behind.log" 2>&1 & echo $! >>"$HOME/behind"'],
    // A second's credits instead of fifteen's.
    [/--credits 4\b/g, "--credits 4 --timeout 1"],
    ["?58", "?3"],
  ];
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-euc", changes.reduce((pasted, [from, to]) => pasted.replaceAll(from, to), text)],
    cwd: place.clone,
    env: {
      PATH: `${bin}:${Deno.env.get("PATH")}`,
      HOME: world.dir,
      KHACHAPURI_HOME: world.home(person as Person),
      NO_COLOR: "1",
      // A home without what Go has compiled of its own library takes minutes.
      GOCACHE: join(Deno.env.get("HOME") ?? world.dir, ".cache/go-build"),
    },
    stdin: "null",
  }).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  place.cid = /baf[a-z2-7]{56}$/m.exec(out!)?.[0] ?? place.cid;
  return { code, said: `${out}${err}` };
}

/** Runs a README's blocks in order; the result is what all of them said. */
async function follow(place: Place, sample: string): Promise<string> {
  const path = join("samples", sample, "README.md");
  const blocks = readBlocks(path, await Deno.readTextFile(ROOT + path));
  let all = "";
  for (const { place: where, text, person } of blocks.filter(isRun)) {
    const { code, said } = await paste(place, person, text);
    assert.equal(code, 0, `${where}\n${text}\n${said}`);
    all += said;
  }
  return all;
}

function isRun(block: Block): block is Block & { person: string } {
  return block.person !== null;
}

Deno.test("the samples do what their READMEs say, by the commands that stand there", async (t) => {
  const ports = { 9000: freePort(), 9001: freePort() };
  await using world = await startLocalWorld({
    settlement: { intervalSeconds: 1 },
    connectTo: {
      "api.example:80": `127.0.0.1:${ports[9000]}`,
      "store.example:80": `127.0.0.1:${ports[9001]}`,
    },
  });
  await openProvider(world);
  await openAllowances(world);
  const bin = await writeCommand(world);
  await writeNode(bin);
  const place: Place = { world, clone: await cloneSamples(world), bin, ports, cid: "" };
  try {
    await t.step("those that need nothing are tried without a chain", async () => {
      assert.match(await follow(place, ""), /gamarjoba, Nino\n[^]*"words":\d+[^]*[0-9a-f]{64}\n/);
    });
    await t.step("rates: a secret reaches the API that it is for, and no caller", async () => {
      const said = await follow(place, "rates");
      assert.match(said, /\{"usd":1,"rate":2\.72\}\n[^]*\{"usd":1,"rate":2\.72\}\n/);
      const other = await paste(place, "developer", "curl -s 'URL?KHR'");
      assert.match(other.said, /the API does not answer that/);
    });
    await t.step("ticks: a stream takes credit after credit", async () => {
      const said = await follow(place, "ticks");
      assert.match(said, /id: 1\ndata: [^]*id: 3\ndata: [^]*id: 3\ndata: /);
      assert.match(said, /\nticks .* running +[2-4] /);
    });
    await t.step("notes: each payer has a note of its own, and who is not known none", async () => {
      assert.match(await follow(place, "notes"), /\nkept\ntwo eggs\n[^]*kept\n/);
      const other = await paste(place, "developer", "khachapuri call --pay paolo.khachapuri/CID");
      assert.match(other.said, /^nothing yet\n/);
      const stranger = await paste(place, "caller", "curl -s -w '%{http_code}' URL -d mine");
      assert.match(stranger.said, /whose note\?[^]*401$/);
    });
    await serve(place, t);
    const { said } = await paste(place, "developer", 'cat "$HOME/behind.log"');
    assert.equal(said, "", "what the upstreams complain of");
  } finally {
    await paste(place, "developer", 'kill $(cat "$HOME/behind")');
  }
});

/** The samples that are servers, each with what it is written for where that is installed. */
async function serve(place: Place, t: Deno.TestContext): Promise<void> {
  const hasNode = await isInstalled("/usr/bin/node") && await isOnPath("npm");
  await t.step({
    name: "express: an order stays while its server does",
    ignore: !hasNode,
    async fn() {
      const said = await follow(place, "express");
      assert.match(said, /\{"number":1\}[^]*\{"number":1\}[^]*"filling":"cheese","from":"127/);
      const { said: head } = await paste(place, "developer", "curl -si --json '{}' URL/orders");
      assert.match(head, /^HTTP.* 201/);
      assert.match(head, new RegExp(`^location: /${place.cid}/orders/2\r$`, "im"));
    },
  });
  await t.step({
    name: "flask: two workers keep one book, and a redirect finds its way",
    ignore: !await isInstalled("/usr/bin/gunicorn", "/usr/lib/python3/dist-packages/flask"),
    async fn() {
      assert.match(await follow(place, "flask"), /^HTTP.* 303[^]*\["Nino"\]\s*$/m);
    },
  });
  await t.step({
    name: "go-server: a static file serves events",
    ignore: !await isOnPath("go"),
    async fn() {
      const said = await follow(place, "go-server");
      assert.match(said, /id: 1\ndata: [^]*id: 2\ndata: [^]*T.*Z\n[^]*id: 1\ndata: [^]*id: 2\n/);
    },
  });
  await t.step({
    name: "websocket-chat: who says something hears it",
    ignore: !hasNode,
    async fn() {
      const said = await follow(place, "websocket-chat");
      assert.match(said, /<title>Supra<[^]*^somebody: gaumarjos!$/m);
    },
  });
}
