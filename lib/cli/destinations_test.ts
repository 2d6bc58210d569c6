import assert from "node:assert/strict";
import { join } from "node:path";
import { inFolder } from "../../worlds/home.ts";
import { fakeWorld } from "../../worlds/terminal.ts";
import { runCli } from "./cli.ts";

const CID = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";

async function run(home: string, args: string[], env: Record<string, string> = {}) {
  const [command, ...rest] = args;
  const world = fakeWorld([command!, "--home", home, ...rest], { env });
  const code = await runCli(world);
  return { code, err: world.stderrText() };
}

Deno.test("--pin takes no URL with a secret in it, says where that belongs, and never shows it", () =>
  inFolder(async (home) => {
    const dir = join(home, "program");
    await Deno.mkdir(dir);
    await Deno.writeTextFile(join(dir, "main"), "#!/bin/sh\n", { mode: 0o755 });
    const cases: [string, string][] = [
      ["https://nino:hunter2@pins.example/psa", "https://pins.example/psa"],
      ["https://hunter2@pins.example", "https://pins.example/"],
      ["https://pins.example/psa?token=hunter2", "https://pins.example/psa"],
    ];
    for (const [url, place] of cases) {
      for (const args of [["deploy", dir, "--provider", "a.eth"], ["publish", CID]]) {
        const { code, err } = await run(home, [...args, "--pin", url]);
        assert.equal(code, 2, err);
        assert.ok(err.includes(`give --pin ${place}, and the service's token in KHACHAPURI_PIN_`));
        assert.doesNotMatch(err, /hunter2/);
      }
    }
    await assert.rejects(Deno.stat(join(home, "deployments.json")), Deno.errors.NotFound);
  }));

Deno.test("a place whose token is missing is named before anything is asked of any", () =>
  inFolder(async (home) => {
    const pins = await run(home, ["publish", CID, "--pin", "https://pins.example"]);
    assert.equal(pins.code, 3);
    assert.match(pins.err, /no token for the pinning service https:\/\/pins\.example/);
    assert.match(pins.err, /set KHACHAPURI_PIN_TOKEN/);
    const pinata = await run(home, ["publish", CID, "--pinata"]);
    assert.equal(pinata.code, 3);
    assert.match(pinata.err, /no JWT for Pinata[^]*set KHACHAPURI_PINATA_JWT/);
    const token = { KHACHAPURI_PIN_TOKEN: "t" };
    const clear = await run(home, ["publish", CID, "--pin", "http://pins.example"], token);
    assert.match(clear.err, /no https URL: http:\/\/pins\.example/);
  }));

Deno.test("copies that no gateway could read back are published with a warning", () =>
  inFolder(async (home) => {
    const args = ["publish", CID, "--kubo", "http://127.0.0.1:1", "--from", home];
    const without = await run(home, args);
    assert.match(without.err, /warning: no gateway is configured/);
    const given = await run(home, [...args, "--gateway", "http://127.0.0.1:1"]);
    assert.doesNotMatch(given.err, /warning/);
  }));
