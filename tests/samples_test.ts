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
    ["--credits 4", "--credits 4 --timeout 1"],
    ["?58", "?3"],
  ];
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-euc", changes.reduce((pasted, [from, to]) => pasted.replaceAll(from, to), text)],
    cwd: ROOT,
    env: {
      PATH: `${bin}:${Deno.env.get("PATH")}`,
      HOME: world.dir,
      KHACHAPURI_HOME: world.home(person as Person),
      NO_COLOR: "1",
    },
    stdin: "null",
  }).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  place.cid = /^baf[a-z2-7]{56}$/m.exec(out!)?.[0] ?? place.cid;
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
  const place: Place = { world, bin, ports, cid: "" };
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
      assert.match(said, /up to 4 credits a run\n.*: [2-4] credits spent/);
    });
    await t.step("notes: each payer has a note of its own, and who is not known none", async () => {
      assert.match(await follow(place, "notes"), /\nkept\ntwo eggs\n[^]*kept\n/);
      const other = await paste(place, "developer", "khachapuri call --pay paolo.khachapuri/CID");
      assert.match(other.said, /^nothing yet\n/);
      const stranger = await paste(place, "caller", "curl -s -w '%{http_code}' URL -d mine");
      assert.match(stranger.said, /whose note\?[^]*401$/);
    });
    const { said } = await paste(place, "developer", 'cat "$HOME/behind.log"');
    assert.equal(said, "", "what the upstreams complain of");
  } finally {
    await paste(place, "developer", 'kill $(cat "$HOME/behind")');
  }
});
