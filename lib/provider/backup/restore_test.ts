/** What is no whole backup changes nothing; what is there is put aside. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { packTar } from "modern-tar";
import { makeFolder } from "../../../worlds/home.ts";
import type { KhachapuriError } from "../../errors.ts";
import { restore } from "./restore.ts";

const CONFIG = JSON.stringify({
  provider: {
    name: "provider.test",
    address: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
    webDomain: "https://provider.test",
    price: "1000",
    terms: ["terms.txt"],
    stateDir: "state",
    keyFile: "keys.json",
  },
});

type Files = Record<string, string>;

function manifestOf(files: Files, changed: object = {}): string {
  return JSON.stringify({
    version: 1,
    khachapuri: "0.1.0",
    madeAt: 0,
    provider: "provider.test",
    places: [{ prefix: "home", path: "/var/lib/khachapuri" }],
    files: Object.entries(files).map(([name, text]) => ({
      name,
      bytes: new TextEncoder().encode(text).length,
      sha256: createHash("sha256").update(text).digest("hex"),
      mode: 0o600,
    })),
    ...changed,
  });
}

async function gzip(tar: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  return await new Response(new Blob([tar]).stream().pipeThrough(new CompressionStream("gzip")))
    .bytes();
}

async function archiveOf(
  files: Files,
  manifest: string | null = manifestOf(files),
): Promise<Uint8Array<ArrayBuffer>> {
  const all = manifest === null ? files : { ...files, "manifest.json": manifest };
  return await gzip(
    await packTar(
      Object.entries(all).map(([name, body]) => ({
        header: { name, size: new TextEncoder().encode(body).length },
        body,
      })),
    ),
  );
}

/** Where nothing of a provider's is. */
const ELSEWHERE = { prefix: "keys", path: "/tmp/khachapuri-no-place-of-its-own" };

const GOOD: Files = { "home/config.json": CONFIG, "home/terms.txt": "Be kind.\n" };

function attempt(home: string, bytes: Uint8Array<ArrayBuffer>, replaces = false) {
  const file = new Blob([bytes]).stream() as ReadableStream<Uint8Array<ArrayBuffer>>;
  return restore({ path: "b.tar.gz", file, home, identities: [], replaces, now: () => 0 });
}

Deno.test("a whole backup is restored, to the mode", async () => {
  await using folder = await makeFolder();
  await attempt(folder.dir, await archiveOf(GOOD));
  assert.equal(await Deno.readTextFile(join(folder.dir, "terms.txt")), "Be kind.\n");
  assert.equal((await Deno.stat(join(folder.dir, "terms.txt"))).mode! & 0o777, 0o600);
  assert.equal((await Deno.stat(folder.dir)).mode! & 0o777, 0o711);
});

const outside = { ...GOOD, "../evil": "x" };
const link = packTar([
  { header: { name: "home/link", size: 0, type: "symlink", linkname: "/etc/passwd" } },
]);
const BAD: Record<string, () => Promise<Uint8Array<ArrayBuffer>> | Uint8Array<ArrayBuffer>> = {
  "nothing": () => new Uint8Array(),
  "another file": () => new TextEncoder().encode("hello"),
  "half of one": async () => (await archiveOf(GOOD)).slice(0, 200),
  "one without its end": () => archiveOf(GOOD, null),
  "a file that was changed": () => archiveOf({ ...GOOD, "home/terms.txt": "!" }, manifestOf(GOOD)),
  "a file too many": () => archiveOf({ ...GOOD, "home/more": "!" }, manifestOf(GOOD)),
  "a file that is missing": () => archiveOf(GOOD, manifestOf({ ...GOOD, "home/more": "" })),
  "a name that leads out": () => archiveOf(outside, manifestOf(outside)),
  "a name from the root": () => archiveOf({ ...GOOD, "/etc/x": "" }),
  "a link": async () => gzip(await link as Uint8Array<ArrayBuffer>),
  "a later version": () => archiveOf(GOOD, manifestOf(GOOD, { version: 2 })),
  "a manifest that is none": () => archiveOf(GOOD, "{"),
  "a place that its configuration does not name": () => {
    const files = { ...GOOD, "keys/authorized_keys": "ssh-ed25519 AAAA" };
    const places = [{ prefix: "home", path: "/var/lib/khachapuri" }, ELSEWHERE];
    return archiveOf(files, manifestOf(files, { places }));
  },
  "no configuration": () => archiveOf({ "home/terms.txt": "x" }),
  "a configuration of no provider": () => archiveOf({ "home/config.json": "{}" }),
  "bytes behind the gzip that are broken": async () => {
    const bytes = await archiveOf(GOOD);
    bytes[bytes.length - 6]! ^= 1;
    return bytes;
  },
};

for (const [what, make] of Object.entries(BAD)) {
  Deno.test(`${what} is refused, and the home is as it was`, async () => {
    await using folder = await makeFolder();
    const home = join(folder.dir, "home");
    await Deno.mkdir(home);
    await Deno.writeTextFile(join(home, "mine"), "1");
    const bytes = await make();
    const refusal = await attempt(home, bytes, true).then(() => null, (error) => error);
    assert.equal((refusal as KhachapuriError)?.code, "invalid_input", String(refusal));
    assert.match(refusal.message, /b\.tar\.gz/);
    const names = await Array.fromAsync(Deno.readDir(home), ({ name }) => name);
    assert.deepEqual(names, ["mine"]);
    const outsiders = await Array.fromAsync(Deno.readDir(folder.dir), ({ name }) => name);
    assert.deepEqual(outsiders, ["home"]);
  });
}

Deno.test("a home that has files is refused, or they are put aside, as often as one likes", async () => {
  await using folder = await makeFolder();
  const bytes = await archiveOf(GOOD);
  await Deno.writeTextFile(join(folder.dir, "keys.json"), "mine");
  await assert.rejects(attempt(folder.dir, bytes), { message: /has files in it/ });
  const { asidePath } = await attempt(folder.dir, bytes, true);
  assert.equal(await Deno.readTextFile(join(asidePath!, "keys.json")), "mine");
  await assert.rejects(Deno.stat(join(folder.dir, "keys.json")), Deno.errors.NotFound);
});
