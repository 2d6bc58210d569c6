import assert from "node:assert/strict";
import type { CidText } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import { playNames } from "../../../worlds/naming/played_names.ts";
import { OWNER, SELLER } from "../../../worlds/routes.ts";
import { type DeploymentTarget, type NameTarget, targetOf } from "../http/target.ts";
import type { OutsideName } from "../http/name_text.ts";
import type { Names } from "../naming/names.ts";
import { pointedAt } from "./named_target.ts";

const ONE = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy" as CidText;
const SENDER = { sender: { address: "127.0.0.1", scheme: null } };

function openWorld() {
  const played = playNames(SELLER, OWNER.address, () => 1_700_000_000_000);
  played.register.change({ label: "blog", owner: OWNER.address, cid: ONE, sequence: 1n });
  const resolve = async (host: string, path: string) => {
    const target = targetOf(host, path, "p.example", played.names.labels);
    return target.form === "name" ? await pointedAt(played.names, target, SENDER) : target;
  };
  return { ...played, resolve };
}

const outage = (): never => {
  throw new KhachapuriError("name_unavailable", "nobody answers");
};

Deno.test("a name is called as what it points to, in the form that it was called", async () => {
  const { outside, resolve } = openWorld();
  outside.set("www.shop.com", ONE).set("blog.eth", ONE);
  const cases: [string, string, string, string, string, string][] = [
    ["p.example", "/blog/a", "path", "blog", "/blog", "/a"],
    ["blog.p.example", "/a", "host", "blog", "", "/a"],
    ["p.example", "/www.shop.com", "path", "www.shop.com", "/www.shop.com", ""],
    ["www.shop.com:80", "/blog/a", "domain", "www.shop.com", "", "/blog/a"],
    ["p.example", "/blog.eth/", "path", "blog.eth", "/blog.eth", "/"],
  ];
  for (const [host, path, form, name, mount, rest] of cases) {
    const { onPaid, ...target } = await resolve(host, path) as DeploymentTarget;
    assert.deepEqual(target, { form, cid: ONE, name, mount, path: rest });
    assert.equal(onPaid !== undefined, name !== "blog", "names of the register are known anyway");
  }
});

Deno.test("a host that nobody has pointed here is the provider's own, in an outage too", async () => {
  const { outside, resolve } = openWorld();
  outside.set("down.shop.com", outage);
  for (const host of ["other.shop.com", "down.shop.com"]) {
    assert.deepEqual(await resolve(host, "/healthz"), { form: "provider", path: "/healthz" });
    assert.equal((await resolve(host, `/${ONE}/`)).form, "path");
    assert.equal((await resolve(host, "/blog/")).form, "path");
    await assert.rejects(resolve(host, "/bafynope"), { code: "invalid_cid" });
  }
});

Deno.test("a path names what it names, or says what is wrong with that", async () => {
  const { outside, resolve } = openWorld();
  outside.set("down.eth", outage);
  await assert.rejects(resolve("p.example", "/none.eth/"), { code: "not_found" });
  await assert.rejects(resolve("p.example", "/down.eth/"), { code: "name_unavailable" });
});

Deno.test("a name that a call was paid by is noted as of who chose it", async () => {
  const { names, outside } = openWorld();
  outside.set("www.shop.com", ONE);
  const noted: unknown[] = [];
  const noting = Object.assign(Object.create(names), {
    notePaid: (name: OutsideName, by: string | null) => void noted.push([name, by]),
  }) as Names;
  const target = targetOf("www.shop.com", "/", "p.example", names.labels);
  const call = async (address: string, source: "owner" | "caller") => {
    const sender = { address, scheme: null };
    const found = await pointedAt(noting, target as NameTarget, { sender }) as DeploymentTarget;
    found.onPaid!({ source, payer: OWNER.address });
  };
  await call("198.51.100.7", "caller");
  await call("198.51.100.7", "owner");
  await call("127.0.0.1", "owner");
  const name = { kind: "dnslink", name: "www.shop.com" };
  assert.deepEqual(noted, [[name, OWNER.address], [name, "198.51.100"], [name, null]]);
});
