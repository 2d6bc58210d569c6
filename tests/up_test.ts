/** The packaged file sets a server up from nothing, serves a paid call, and is taken down again. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildPackage } from "../tools/package.ts";
import { print } from "../tools/print.ts";
import { makeFolder } from "../worlds/home.ts";
import { type LocalWorld, NAME, startLocalWorld } from "../worlds/local_world.ts";
import { openServer, type Server } from "../worlds/server/server.ts";
import { pause } from "../lib/pause.ts";

const HELLO = fileURLToPath(new URL("../samples/hello", import.meta.url));
const HOME = "/var/lib/khachapuri";
/** A stop and the start after it, at the slowest. */
const LOOKS = 120;

/** The answers' file, as whoever sets up many servers would have it. */
function answersFor({ webDomain, addresses, rpc, gateway, escrow, registry }: LocalWorld) {
  return {
    name: NAME,
    domain: webDomain,
    price: "0.001",
    address: addresses.provider,
    rpc: [rpc],
    gateways: [gateway.url],
    escrow,
    registry,
    https: "proxy",
    listen: webDomain.replace("http://localhost", "127.0.0.1"),
  };
}

async function paste(server: Server, script: string, expected = 0): Promise<string> {
  const { code, said } = await server.paste(script);
  assert.equal(code, expected, `${script}\n${said}`);
  return said;
}

async function curl(...args: string[]): Promise<string> {
  const { stdout } = await new Deno.Command("curl", { args: ["-q", "-sS", ...args] }).output();
  return new TextDecoder().decode(stdout);
}

Deno.test("up, a line pasted where the key is, and a bare server earns", async (t) => {
  await using folder = await makeFolder();
  const file = join(folder.dir, "khachapuri");
  await buildPackage(file);
  await using server = await openServer(file);
  if (server === null) return;
  await using world = await startLocalWorld();
  await world.ask("root", "assign", NAME, world.addresses.provider);
  const answers = JSON.stringify(answersFor(world));
  await paste(server, `cat >answers.json <<'END'\n${answers}\nEND`);
  let line = "";

  await t.step("a dry run changes nothing", async () => {
    const said = await paste(server, "./khachapuri up --answers answers.json --dry-run");
    assert.match(said, /run +useradd[^]*install +\/usr\/local\/bin\/khachapuri/);
    await paste(server, `test ! -e ${HOME} && ! grep -q khachapuri /etc/passwd`);
  });
  await t.step(
    "it stops on the example of the terms, with keys that are the user's alone",
    async () => {
      const said = await paste(server, "./khachapuri up --answers answers.json", 3);
      assert.match(said, /terms\.txt is still the example[^]*editor \/var\/lib/);
      const modes = await paste(server, `stat -c '%U %a' ${HOME} ${HOME}/keys.json`);
      assert.equal(modes, "khachapuri 711\nkhachapuri 600\n");
    },
  );
  await t.step("the same command goes on, and ends well though nobody has registered", async () => {
    await paste(server, `echo 'Be kind.' >${HOME}/terms.txt`);
    const began = performance.now();
    const said = await paste(server, "khachapuri up");
    print(`up took ${((performance.now() - began) / 1_000).toFixed(1)} s`);
    assert.match(said, /^waiting for: 0x[0-9a-fA-F]{40} may not settle/m);
    assert.match(said, /send 0\.\d+ of the chain's coin to 0x/);
    line = /^ {2}(khachapuri register .*)$/m.exec(said)![1]!;
    assert.match(line, new RegExp(`--operator 0x.* --rpc ${world.rpc}`));
    await paste(server, "systemctl show khachapuri.service | grep -x ActiveState=active");
  });
  await t.step("it serves by itself as soon as the line is pasted", async () => {
    const [, ...words] = line.split(" ");
    const key = join(world.home("provider"), "provider-key.json");
    await world.ask("provider", ...words, "--keys", key);
    const operator = /--operator (0x\w+)/.exec(line)![1]!;
    const give = ["anvil_setBalance", [operator, "0xde0b6b3a7640000"]] as const;
    await world.chain.public.request({ method: give[0], params: give[1] } as never);
    for (let look = 0; look < LOOKS; look++) {
      if ((await curl(`${world.webDomain}/healthz`)).includes("ok")) break;
      await pause(500);
    }
    await world.ask("developer", "deposit", "1");
    await world.ask("developer", "allow", NAME, "--credits", "10");
    const flags = ["--provider", NAME, "--accept-terms"];
    const { cid } = await world.ask<{ cid: string }>("developer", "deploy", HELLO, ...flags);
    const answer = await curl("-X", "POST", `${world.webDomain}/${cid}`, "-d", "data");
    assert.match(answer, /gamarjoba, world\n$/);
  });
  await t.step("a second up changes nothing and says so", async () => {
    const said = await paste(server, "khachapuri up");
    assert.match(said, /^nothing was to be changed\nserving +http/m);
    assert.match(said, /nothing is left to do/);
  });
  await t.step(
    "down settles, takes all away but keys and books, and says what they are worth",
    async () => {
      const said = await paste(server, "khachapuri down");
      assert.match(
        said,
        /the provider is down\nleft .*\nunsettled 0 USDC\noperator +0x\w+ has 0\.9/,
      );
      await paste(server, `test -e ${HOME}/keys.json && test -e ${HOME}/state/book/ledger.db`);
      const left = await paste(server, "ls /etc/systemd/system /etc/sysctl.d /usr/local/bin");
      assert.doesNotMatch(left, /khachapuri/);
      assert.match(await paste(server, "./khachapuri down"), /nothing was to be taken down/);
    },
  );
  await t.step("and up brings the same provider back", async () => {
    const before = await paste(server, `sha256sum ${HOME}/keys.json`);
    assert.match(await paste(server, "./khachapuri up"), /^serving +http/m);
    assert.equal(await paste(server, `sha256sum ${HOME}/keys.json`), before);
  });
});
