import assert from "node:assert/strict";
import { join } from "node:path";
import { privateKeyToAccount } from "viem/accounts";
import { addDeployment } from "../client/deployments_file.ts";
import { keepOf, parseConfig, readConfig } from "../config.ts";
import { KEEP_FOREVER } from "../keep.ts";
import { readKeyFile, recipientOf } from "../spec/keys.ts";
import { runCli } from "./cli.ts";
import { fakeWorld } from "../../worlds/terminal.ts";

const COLD = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
const PROVIDER = ["--provider", "Paolo.eth", "--domain", "https://paolo.example/", "--price"];

async function init(...args: string[]) {
  const world = fakeWorld(["init", "--json", ...args]);
  const code = await runCli(world);
  return { code, json: JSON.parse(world.stdoutText()), stderr: world.stderrText() };
}

async function withHome(test: (home: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await test(join(dir, "home"));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("init makes a key file for its user alone and keeps the flags as configuration", async () => {
  await withHome(async (home) => {
    const { code, json } = await init("--home", home, "--rpc", "http://127.0.0.1:8545");
    assert.equal(code, 0);
    const keys = await readKeyFile(join(home, "keys.json"));
    assert.equal(json.address, privateKeyToAccount(keys.account!).address);
    assert.deepEqual((await readConfig(home)).rpc, ["http://127.0.0.1:8545"]);
    assert.equal((await Deno.stat(home)).mode! & 0o777, 0o700);
    assert.ok(!JSON.stringify(json).includes(keys.account!.slice(2)), "prints no key");
  });
});

Deno.test("init warns where it makes keys in the place of ones that others wait for", async () => {
  await withHome(async (home) => {
    assert.doesNotMatch((await init("--home", home)).stderr, /WARNING/);
    const providers = [{
      name: "paolo.test",
      address: COLD,
      chainId: 1,
      escrow: COLD,
      webDomain: "https://paolo.test",
      price: 1n,
      epoch: 0,
    }] as const;
    await addDeployment(home, {
      cid: "bafy",
      id: `0x${"12".repeat(32)}`,
      owner: COLD,
      program: { cid: "bafy", private: false },
      createdAt: "2026-01-01T00:00:00.000Z",
      providers: [...providers],
    });
    assert.doesNotMatch((await init("--home", home)).stderr, /WARNING/, "the key is there");
    await Deno.remove(join(home, "keys.json"));
    const { code, stderr } = await init("--home", home);
    assert.equal(code, 0);
    assert.match(stderr, /WARNING: .*keys\.json was gone, .* the 1 deployment of 0x7099.*backup/s);
  });
  await withHome(async (home) => {
    const made = await init("--home", home, ...PROVIDER, "1", "--address", COLD);
    assert.doesNotMatch(made.stderr, /was gone/);
    await Deno.remove(join(home, "keys.json"));
    for (const args of [["keys"], ["keys", "rotate"], ["keys", "rotate", "--kind", "pq"]]) {
      const [command = "", ...rest] = args;
      const world = fakeWorld([command, "--home", home, ...rest]);
      assert.equal(await runCli(world), 4);
      assert.match(
        world.stderrText(),
        /no key file[^]*put it back from a backup: what is deployed/,
      );
    }
    const again = await init("--home", home);
    assert.equal(again.code, 0);
    assert.match(again.stderr, /WARNING: .* was gone, .*answered 421, .*backup/s);
  });
});

Deno.test("init tells what comes next: no gateway or node is among it where programs are pushed", async () => {
  const next = async (...args: string[]) => {
    const world = fakeWorld(["init", ...args]);
    assert.equal(await runCli(world), 0);
    const lines = world.stdoutText().trimEnd().split("\n");
    return lines.slice(lines.indexOf("next:") + 1).map((line) => line.trim());
  };
  await withHome(async (home) => {
    assert.deepEqual(await next("--home", home), [
      "khachapuri init --rpc URL",
      "send USDC and a little of the chain's coin to the address",
      "khachapuri deposit AMOUNT",
      "khachapuri allow NAME --credits N",
      "khachapuri deploy DIR --provider NAME",
    ]);
  });
  await withHome(async (home) => {
    const [first] = await next("--home", home, ...PROVIDER, "1", "--address", COLD);
    assert.equal(first, `khachapuri init --home ${home} --rpc URL`);
  });
  await withHome(async (home) => {
    const rpc = ["--rpc", "http://127.0.0.1:8545"];
    const lines = await next("--home", home, ...PROVIDER, "1", "--address", COLD, ...rpc);
    assert.match(lines[0]!, /^make .*terms\.txt your own/);
    assert.doesNotMatch(lines.join("\n"), /gateway|kubo/);
  });
});

Deno.test("init records every --rpc, and a configuration lists one or more", async () => {
  await withHome(async (home) => {
    const urls = ["https://a.example/key", "https://b.example"];
    const flags = urls.flatMap((url) => ["--rpc", url]);
    assert.equal((await init("--home", home, ...flags)).code, 0);
    assert.deepEqual((await readConfig(home)).rpc, urls);
  });
  assert.deepEqual(parseConfig({ rpc: "http://a" }, "/home").rpc, ["http://a"]);
  for (const rpc of [[], ["nowhere"], ["http://a", 1], 1, "nowhere", {}]) {
    assert.throws(() => parseConfig({ rpc }, "/home"), { code: "invalid_config" }, `${rpc}`);
  }
});

Deno.test("init again keeps the keys, adds what is missing and tells what it changed", async () => {
  await withHome(async (home) => {
    const first = await init("--home", home, "--rpc", "http://127.0.0.1:8545");
    const keys = await Deno.readTextFile(join(home, "keys.json"));
    const again = await init("--home", home);
    assert.deepEqual([again.code, again.json.changed, again.json.isNew], [0, [], false]);
    assert.equal(again.json.address, first.json.address);
    const more = ["--rpc", "http://127.0.0.1:8546", "--gateway", "http://127.0.0.1:8080"];
    assert.deepEqual((await init("--home", home, ...more)).json.changed, [
      'rpc: "http://127.0.0.1:8545" → "http://127.0.0.1:8546"',
      'gateways: ["http://127.0.0.1:8080"]',
    ]);
    assert.equal(await Deno.readTextFile(join(home, "keys.json")), keys);
    const wrong = await init("--home", home, "--rpc", "nowhere");
    assert.equal(wrong.json.error, "invalid_config");
    const { rpc, gateways } = await readConfig(home);
    assert.deepEqual([rpc, gateways], [["http://127.0.0.1:8546"], ["http://127.0.0.1:8080"]]);
    await Deno.remove(join(home, "keys.json"));
    assert.equal((await init("--home", home)).json.isNew, true);
    assert.deepEqual((await readConfig(home)).rpc, rpc);
  });
});

Deno.test("init again on a provider's machine changes what is asked, and makes what is lost", async () => {
  await withHome(async (home) => {
    const begin = [...PROVIDER, "0.001", "--address", "new", "--x25519"];
    const first = await init("--home", home, ...begin);
    const text = (name: string) => Deno.readTextFile(join(home, name));
    const before = await Promise.all(["keys.json", "provider-key.json", "config.json"].map(text));
    await Deno.writeTextFile(join(home, "terms.txt"), "Be kind.\n");
    const flags = ["--provider", "paolo.eth", "--address", "new"];
    assert.deepEqual((await init("--home", home, ...flags)).json.changed, []);
    const after = await Promise.all(["keys.json", "provider-key.json", "config.json"].map(text));
    assert.deepEqual(after, before);
    assert.equal(await text("terms.txt"), "Be kind.\n");

    // The provider key is moved away, as it should be: "new" makes no other one in its place.
    await Deno.remove(join(home, "provider-key.json"));
    const dearer = await init("--home", home, ...flags, "--price", "0.002");
    assert.deepEqual(dearer.json.changed, ['provider.price: "1000" → "2000"']);
    assert.equal(dearer.json.address, first.json.address);
    await assert.rejects(Deno.stat(join(home, "provider-key.json")), Deno.errors.NotFound);

    await Deno.remove(join(home, "terms.txt"));
    assert.deepEqual((await init("--home", home)).json.files, [join(home, "terms.txt")]);
    assert.match(await text("terms.txt"), /delete this\nparagraph/);
  });
});

Deno.test("init says for how long the earlier price is kept, and the earlier terms stay listed", async () => {
  await withHome(async (home) => {
    const begin = [...PROVIDER, "0.001", "--address", COLD];
    await init("--home", home, ...begin);
    const atOnce = await init("--home", home, "--price", "0.002");
    assert.match(atOnce.stderr, /whose permits pay less are refused from the next start on/);
    const dearer = await init("--home", home, "--price", "0.003", "--keep-price", "90d");
    assert.deepEqual([dearer.json.changed, dearer.stderr], [[
      'provider.price: "2000" → "3000"',
      "provider.keepPrice: 7776000",
    ], ""]);
    const until = "2100-01-01T00:00:00Z";
    await init("--home", home, "--keep-price", "forever", "--keep-terms", until);
    const { provider } = await readConfig(home);
    assert.deepEqual(keepOf(provider!), {
      price: KEEP_FOREVER,
      terms: { until: 4_102_444_800n },
    });
    assert.equal((await init("--home", home, "--keep-price", "soon")).json.error, "usage");

    assert.match(
      (await init("--home", home, "--terms", "2.txt")).json.message,
      /no terms at .*2\.txt/,
    );
    await Deno.writeTextFile(join(home, "2.txt"), "Be kinder.\n");
    await init("--home", home, "--terms", "2.txt");
    assert.deepEqual((await readConfig(home)).provider!.terms, ["2.txt", "terms.txt"]);
  });
});

Deno.test("init makes other keys when it is asked to, and the earlier ones stay", async () => {
  await withHome(async (home) => {
    const begin = [...PROVIDER, "1", "--address", COLD, "--x25519"];
    const first = await init("--home", home, ...begin);
    const keysPath = join(home, "keys.json");
    const before = await readKeyFile(keysPath);
    assert.equal((await init("--home", home, "--x25519")).json.error, "usage");
    const { json } = await init("--home", home, "--new-identity", "--x25519");
    const { account, identities } = await readKeyFile(keysPath);
    assert.deepEqual([account, identities![1]], [before.account, before.identities![0]]);
    assert.equal(json.recipient, await recipientOf(identities![0]!));
    assert.notEqual(json.recipient, first.json.recipient);
    assert.deepEqual(await readKeyFile(json.files[0]), before);

    const operator = await init("--home", home, "--new-operator");
    assert.notEqual(operator.json.operator, first.json.operator);
    assert.equal(operator.json.recipient, json.recipient);
    assert.equal((await readKeyFile(operator.json.files[0])).account, before.account);
    assert.equal((await Deno.stat(keysPath)).mode! & 0o777, 0o600);
  });
});

Deno.test("init makes no provider of a payer's home, and takes no provider's flag in one", async () => {
  await withHome(async (home) => {
    await init("--home", home);
    const { code, json } = await init("--home", home, ...PROVIDER, "1", "--address", COLD);
    assert.equal(code, 3);
    assert.match(json.message, /the account that you pay with/);
    assert.equal((await readConfig(home)).provider, undefined);
    assert.match(
      (await init("--home", home, "--price", "1")).json.message,
      /--price is a provider/,
    );
  });
});

Deno.test("init --systemd writes the unit of a home that is there, and keeps one that differs", async () => {
  await withHome(async (home) => {
    const unit = join(home, "..", "khachapuri.service");
    await init("--home", home, ...PROVIDER, "1", "--address", COLD);
    for (const _ of ["made", "there"]) {
      assert.equal((await init("--home", home, "--systemd", unit)).json.unitPath, unit);
    }
    await Deno.writeTextFile(unit, "[Service]\n");
    assert.match((await init("--home", home, "--systemd", unit)).json.message, /something else/);
    assert.equal(await Deno.readTextFile(unit), "[Service]\n");
    const nowhere = join(home, "none", "khachapuri.service");
    for (const [path, error] of [[home, "invalid_input"], [nowhere, "access_denied"]] as const) {
      assert.equal((await init("--home", home, "--systemd", path)).json.error, error);
    }
  });
});

Deno.test("init with a wrong flag leaves nothing behind", async () => {
  await withHome(async (home) => {
    for (const flags of [["--rpc", "nowhere"], ["--registry", COLD], ["--escrow", "0x12"]]) {
      assert.notEqual((await init("--home", home, ...flags)).code, 0, flags.join(" "));
      await assert.rejects(Deno.stat(home), Deno.errors.NotFound);
    }
  });
});

Deno.test("init --provider writes a configuration that serve can read, without the cold key", async () => {
  await withHome(async (home) => {
    const { code, json } = await init("--home", home, ...PROVIDER, "0.001", "--address", COLD);
    assert.equal(code, 0);
    const { provider } = await readConfig(home);
    assert.equal(provider!.name, "paolo.eth");
    assert.equal(provider!.address, COLD);
    assert.equal(provider!.price, 1000n);
    assert.equal(provider!.webDomain, "https://paolo.example");
    const keys = await readKeyFile(join(home, provider!.keyFile));
    assert.equal(json.operator, privateKeyToAccount(keys.account!).address);
    assert.match(keys.identities![0]!, /^AGE-SECRET-KEY-PQ-1/);
    assert.equal(json.recipient, await recipientOf(keys.identities![0]!));
    assert.match(await Deno.readTextFile(join(home, provider!.terms[0]!)), /paolo\.eth/);
    assert.match(json.unit, new RegExp(`ExecStart=.* serve --wait --home ${home}\n`));
    await assert.rejects(Deno.stat(join(home, "provider-key.json")), Deno.errors.NotFound);
  });
});

Deno.test("init --address new keeps the cold key apart and says to move it", async () => {
  await withHome(async (home) => {
    const unit = join(home, "..", "khachapuri.service");
    const options = ["--address", "new", "--x25519", "--systemd", unit];
    const { json, stderr } = await init("--home", home, ...PROVIDER, "1", ...options);
    const cold = await readKeyFile(join(home, "provider-key.json"));
    const hot = await readKeyFile(join(home, "keys.json"));
    assert.equal(json.address, privateKeyToAccount(cold.account!).address);
    assert.notEqual(cold.account, hot.account);
    assert.equal(cold.identities, undefined);
    assert.match(hot.identities![0]!, /^AGE-SECRET-KEY-1/);
    assert.match(stderr, /WARNING: .*provider-key\.json owns your name/);
    const text = await Deno.readTextFile(unit);
    assert.match(text, /^Delegate=yes$/m);
    assert.match(text, /^AmbientCapabilities=CAP_SETUID CAP_SETGID CAP_SETPCAP CAP_KILL$/m);
    assert.equal((await Deno.stat(home)).mode! & 0o777, 0o711, "other uids pass through");
  });
});

Deno.test("init refuses what a provider must not be", async () => {
  await withHome(async (home) => {
    const cases: [string[], string][] = [
      [["--provider", "a.eth"], "usage"],
      [[...PROVIDER, "1", "--address", "0x1234"], "usage"],
      [[...PROVIDER, "0.0000001", "--address", COLD], "invalid_input"],
      [["--provider", "a..eth", ...PROVIDER.slice(2), "1", "--address", COLD], "invalid_name"],
    ];
    for (
      const domain of ["http://paolo.example", "paolo.example", "https://u:p@x", "https://x/?a"]
    ) {
      const rest = ["--price", "1", "--address", COLD];
      cases.push([["--provider", "a.eth", "--domain", domain, ...rest], "usage"]);
    }
    for (const [args, error] of cases) {
      assert.equal((await init("--home", home, ...args)).json.error, error, args.join(" "));
    }
    await assert.rejects(Deno.stat(home), Deno.errors.NotFound);
  });
});
