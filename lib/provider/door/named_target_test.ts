import assert from "node:assert/strict";
import type { CidText } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import { playNames } from "../../../worlds/naming/played_names.ts";
import { OWNER, SELLER } from "../../../worlds/routes.ts";
import { targetOf } from "../http/target.ts";
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
    const expected = { form, cid: ONE, name, mount, path: rest };
    assert.deepEqual(await resolve(host, path), expected);
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
