import assert from "node:assert/strict";
import { join } from "node:path";
import { curl, DOMAIN, had, openWorld } from "../worlds/acme/acme_world.ts";
import { hasKnot } from "../worlds/acme/knot.ts";
import { type KeptCertificate, openKept, setClock } from "../worlds/acme/kept_certificate.ts";
import { hasPebble } from "../worlds/acme/pebble.ts";
import { makeFolder } from "../worlds/home.ts";

const ignore = !(await hasPebble() && await hasKnot());
const DAY_MS = 86_400_000;

const portOf = ({ listener }: KeptCertificate) => Number(new URL(listener.url).port);

Deno.test(
  { ignore, name: "a certificate is had by http-01, and served over HTTP/2 and HTTP/1.1" },
  async () => {
    await using world = await openWorld();
    await using kept = await had({ home: world.home, acme: world.acme() });
    assert.equal(await curl(world, portOf(kept), DOMAIN), "200 2 ");
    assert.equal(await curl(world, portOf(kept), DOMAIN, "--http1.1"), "200 1.1 ");
    const { keeper } = kept.room;
    assert.equal(keeper.trouble(), null);
    assert.deepEqual(keeper.report().certificate?.names, [DOMAIN]);
    assert.equal((await Deno.stat(kept.dir)).mode! & 0o777, 0o700);
    for await (const { name } of Deno.readDir(kept.dir)) {
      assert.equal((await Deno.stat(join(kept.dir, name))).mode! & 0o777, 0o600, name);
    }
  },
);

Deno.test({ ignore, name: "a certificate is had by tls-alpn-01 within the listener" }, async () => {
  await using world = await openWorld();
  const acme = world.acme({ challenge: "tls-alpn-01" });
  await using kept = await had({ home: world.home, acme, port: world.pebble.tlsPort });
  assert.equal(await curl(world, portOf(kept), DOMAIN), "200 2 ");
  assert.equal(await curl(world, portOf(kept), DOMAIN, "--http1.1"), "200 1.1 ");
});

Deno.test(
  { ignore, name: "with dns-01 by RFC 2136 the certificate is for the wildcard, too" },
  async () => {
    await using world = await openWorld();
    for (const challenge of ["dns-01", "http-01"]) {
      await using folder = await makeFolder();
      const acme = world.acme({ challenge, dns: await world.rfc2136() });
      await using kept = await had({ home: folder.dir, acme });
      assert.equal(await curl(world, portOf(kept), `cid.${DOMAIN}`), "200 2 ");
      assert.equal(await curl(world, portOf(kept), DOMAIN), "200 2 ");
      const { stdout } = await new Deno.Command("kdig", {
        args: [
          "@127.0.0.1",
          "-p",
          String(world.knot.server.port),
          "+short",
          "TXT",
          `_acme-challenge.${DOMAIN}`,
        ],
      }).output();
      assert.equal(new TextDecoder().decode(stdout), "", "nothing is left of it");
    }
  },
);

Deno.test(
  { ignore, name: "it is renewed after two thirds of its life, under the same account" },
  async () => {
    await using world = await openWorld();
    const clock = setClock();
    const now = () => clock.now();
    await using first = await had({ home: world.home, acme: world.acme(), now });
    const before = (await first.held())!.facts;
    const accounts = await Deno.readTextFile(join(first.dir, "accounts.json"));
    const life = before.notAfter - before.notBefore;
    clock.offsetMs = life * 0.66;
    await first.room.keeper.renew();
    assert.ok(first.room.keeper.report().nextAt > clock.now());
    await first[Symbol.asyncDispose]();
    clock.offsetMs = life * 0.71;
    const second = await openKept({ home: world.home, acme: world.acme(), now });
    await using _ = second;
    assert.equal(
      await curl(world, portOf(second), DOMAIN),
      "200 2 ",
      "the old one serves meanwhile",
    );
    const done = second.logged("a certificate was had");
    await second.room.start();
    await done;
    const after = (await second.held())!.facts;
    assert.notEqual(after.serial, before.serial);
    assert.equal(await curl(world, portOf(second), DOMAIN), "200 2 ");
    assert.equal(await Deno.readTextFile(join(second.dir, "accounts.json")), accounts);
    assert.ok(DAY_MS < life);
  },
);
