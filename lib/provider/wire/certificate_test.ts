import assert from "node:assert/strict";
import { join } from "node:path";
import { hearLog } from "../../../worlds/heard_log.ts";
import { makeFolder } from "../../../worlds/home.ts";
import { Certificate, type KeyPair } from "./certificate.ts";

async function open() {
  const folder = await makeFolder();
  const files = { cert: join(folder.dir, "cert.pem"), key: join(folder.dir, "key.pem") };
  const write = async (name: string) => {
    // Replaced and not written over, as who renews them does.
    for (const [path, what] of [[files.cert, "cert"], [files.key, "key"]] as const) {
      await Deno.writeTextFile(`${path}.new`, `${what} ${name}`);
      await Deno.rename(`${path}.new`, path);
    }
  };
  await write("one");
  const certificate = await Certificate.open(files);
  const used: KeyPair[] = [];
  return {
    certificate,
    files,
    write,
    used,
    ...hearLog(),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

Deno.test("a pair is used anew when its files have changed, and only then", async () => {
  await using world = await open();
  const { certificate, used, write, log } = world;
  assert.deepEqual(certificate.first, { cert: "cert one", key: "key one" });
  const use = (pair: KeyPair) => void used.push(pair);
  await certificate.renew(use, log);
  assert.deepEqual(used, []);
  await write("two");
  await certificate.renew(use, log);
  await certificate.renew(use, log);
  assert.deepEqual(used, [{ cert: "cert two", key: "key two" }]);
});

Deno.test("a pair that cannot be used leaves the old one, and is tried again", async () => {
  await using world = await open();
  const { certificate, used, write, log, files, lines } = world;
  await write("broken");
  const refuse = () => {
    throw new Error("no certificate");
  };
  await certificate.renew(refuse, log);
  await certificate.renew((pair) => void used.push(pair), log);
  assert.deepEqual(used.map(({ cert }) => cert), ["cert broken"]);
  await Deno.remove(files.key);
  await certificate.renew(refuse, log);
  assert.equal(lines.filter((line) => line.includes("the old one stays")).length, 2);
});
