import assert from "node:assert/strict";
import { join } from "node:path";
import { curl, DOMAIN, had, openWorld, type World } from "../worlds/acme/acme_world.ts";
import { openKept, setClock } from "../worlds/acme/kept_certificate.ts";
import { hasKnot } from "../worlds/acme/knot.ts";
import { hasPebble } from "../worlds/acme/pebble.ts";
import { say } from "../worlds/wire.ts";

const ignore = !(await hasPebble() && await hasKnot());
const test = (name: string, fn: () => Promise<void>) => Deno.test({ ignore, name, fn });

const ordersAt = ({ pebble }: World) =>
  pebble.lines.filter((line) => /Added order/.test(line)).length;

/** Opens it and waits until that has failed. */
async function failed(world: World, acme: Record<string, unknown>, now?: () => number) {
  const kept = await openKept({ home: world.home, acme, ...(now ? { now } : {}) });
  const line = kept.logged("no certificate could be had");
  await kept.room.start();
  await line;
  return kept;
}

test("a port that the CA can't reach is told in its words, and not asked for at once", async () => {
  await using world = await openWorld();
  const clock = setClock();
  const now = () => clock.now();
  const acme = world.acme({ httpListen: "127.0.0.1:0" });
  {
    await using kept = await failed(world, acme, now);
    const { lastFailure, failures, nextAt } = kept.room.keeper.report();
    assert.match(lastFailure!.message, /by http-01 that provider\.test is ours/);
    assert.match(lastFailure!.hints.join(), /firewall/);
    assert.equal(failures, 1);
    assert.ok(nextAt > clock.now() + 60_000);
    assert.match(kept.room.keeper.trouble()!, /there is no certificate \(the CA was not shown/);
    assert.match(await curl(world, Number(new URL(kept.listener.url).port), DOMAIN), /^000/);
    assert.doesNotMatch(await say(kept.listener.url, "GET / HTTP/1.1\r\nhost: a\r\n\r\n"), /HTTP/);
  }
  const ordered = ordersAt(world);
  for (let restart = 0; restart < 3; restart++) {
    await using again = await openKept({ home: world.home, acme, now });
    await again.room.start();
    await again.room.keeper.renew();
    assert.equal(again.room.keeper.report().failures, 1);
  }
  assert.equal(ordersAt(world), ordered, "a restart orders nothing");
  clock.offsetMs += 86_400_000;
  await using later = await failed(world, acme, now);
  assert.equal(later.room.keeper.report().failures, 2);
});

test("a CA that is down at the renewal leaves the old certificate in use", async () => {
  await using world = await openWorld();
  const clock = setClock();
  const now = () => clock.now();
  await using first = await had({ home: world.home, acme: world.acme(), now });
  const { facts } = (await first.held())!;
  await first[Symbol.asyncDispose]();
  await using second = await openKept({ home: world.home, acme: world.acme(), now });
  const root = await world.pebble.root();
  assert.match(root, /BEGIN/);
  const port = Number(new URL(second.listener.url).port);
  assert.equal(await curl(world, port, DOMAIN), "200 2 ");
  await world.pebble.stop();
  clock.offsetMs = facts.notAfter - facts.notBefore - 3_600_000;
  const line = second.logged("no certificate could be had");
  await second.room.start();
  await line;
  assert.match(second.room.keeper.trouble()!, /expires in .* not renewed .*can't be reached/);
  assert.equal((await second.held())!.facts.serial, facts.serial);
  clock.offsetMs = facts.notAfter - facts.notBefore + 3_600_000;
  assert.match(second.room.keeper.trouble()!, /the certificate has expired/);
  // Back with nothing of what it knew: the account is made known again, under the same key.
  await world.pebble.start();
  const renewed = second.logged("a certificate was had");
  clock.offsetMs = facts.notAfter - facts.notBefore - 1_000_000;
  await second.room.keeper.renewNow();
  await renewed;
  assert.notEqual((await second.held())!.facts.serial, facts.serial);
});

test("a CA that refuses half of the nonces is no trouble", async () => {
  await using world = await openWorld({ env: { PEBBLE_WFE_NONCEREJECT: "35" } });
  await using kept = await openKept({ home: world.home, acme: world.acme() });
  for (let attempt = 0; attempt < 5 && !await kept.held(); attempt++) {
    await kept.room.keeper.renewNow().catch(() => {});
  }
  assert.ok(await kept.held());
});

test("an account is bound to one that the CA knows, and refused without", async () => {
  const hmacKey = new Uint8Array(32).fill(7).toBase64({ alphabet: "base64url", omitPadding: true });
  await using world = await openWorld({ eab: { kid: "kid-1", hmacKey } });
  {
    await using without = await failed(world, world.acme());
    assert.match(without.room.keeper.report().lastFailure!.hints.join(), /provider\.acme\.eab/);
  }
  const hmacKeyFile = join(world.home, "eab.key");
  await Deno.writeTextFile(hmacKeyFile, hmacKey, { mode: 0o600 });
  const acme = world.acme({ eab: { keyId: "kid-1", hmacKeyFile } });
  await using kept = await had({ home: world.home, acme });
  assert.ok(await kept.held(), "another wish is tried at once");
});

test("an order that was begun goes on after the process has ended in its midst", async () => {
  await using world = await openWorld();
  const acme = world.acme();
  {
    await using kept = await openKept({ home: world.home, acme });
    const done = kept.room.keeper.renewNow().catch(() => {});
    while (!await Deno.stat(join(kept.dir, "order.json")).catch(() => null)) await kept.held();
    kept.room.keeper.close();
    await done;
  }
  assert.equal(ordersAt(world), 1);
  await using again = await had({ home: world.home, acme });
  assert.ok(await again.held());
  assert.equal(ordersAt(world), 1, "the same order");
});

test("files that were cut off are set aside, and had anew", async () => {
  await using world = await openWorld();
  const acme = world.acme();
  const { dir } = await had({ home: world.home, acme }).then(async (kept) => {
    await kept[Symbol.asyncDispose]();
    return kept;
  });
  await Deno.truncate(join(dir, "certificate.pem"), 300);
  await Deno.truncate(join(dir, "accounts.json"), 20);
  await Deno.writeTextFile(join(dir, "status.json"), "");
  await Deno.writeTextFile(join(dir, `status.json.${crypto.randomUUID()}`), "{");
  await using again = await had({ home: world.home, acme });
  const names = (await Array.fromAsync(Deno.readDir(dir), ({ name }) => name)).sort();
  assert.deepEqual(names, [
    "accounts.json",
    "accounts.json.damaged",
    "certificate.pem",
    "certificate.pem.damaged",
    "lock",
    "status.json",
    "status.json.damaged",
  ]);
  assert.ok(await again.held());
});

test("records are made and removed by a program of the provider's", async () => {
  await using world = await openWorld();
  const { knot } = world;
  const hook = join(world.home, "hook");
  const script = `#!/bin/sh
set -e
env >"${world.home}/env"
echo "$2 $3" >>"${world.home}/said"
verb=add; [ "$2" = cleanup ] && verb=del
zone='server 127.0.0.1 ${knot.server.port}\\nkey hmac-sha256:%s %s\\nzone ${DOMAIN}.\\n'
printf "$zone"'%s %s. 60 TXT "%s"\\nsend\\n' \\
  ${knot.key.name} ${knot.key.secret} "$verb" "$3" "$4" | knsupdate -v
`;
  await Deno.writeTextFile(hook, script, { mode: 0o755 });
  const dns = { kind: "hook", command: [hook, "zone"], nameServers: [knot.place] };
  await using kept = await had({
    home: world.home,
    acme: world.acme({ challenge: "dns-01", dns }),
  });
  assert.deepEqual([...(await kept.held())!.facts.names].sort(), [`*.${DOMAIN}`, DOMAIN]);
  const said = (await Deno.readTextFile(join(world.home, "said"))).trim().split("\n").sort();
  const record = `_acme-challenge.${DOMAIN}`;
  assert.deepEqual(
    said,
    ["cleanup", "cleanup", "present", "present"].map((each) => `${each} ${record}`),
  );
  assert.doesNotMatch(await Deno.readTextFile(join(world.home, "env")), /HOME|KHACHAPURI/);
});
