import assert from "node:assert/strict";
import { join } from "node:path";
import { makeFolder } from "../../../worlds/home.ts";
import type { KhachapuriError } from "../../errors.ts";
import { passwordIn, readPassword } from "./passfile.ts";

const ASKED = { host: "db.example", port: 5_432, database: "money", user: "nino" };

const PASSWORDS: readonly (readonly [text: string, password: string | null])[] = [
  ["db.example:5432:money:nino:secret", "secret"],
  ["# db.example:5432:money:nino:no\n*:*:*:nino:any", "any"],
  ["other:5432:money:nino:no\ndb.example:5432:money:nino:first\n*:*:*:*:second", "first"],
  ["db.example:5433:money:nino:no", null],
  ["db.example:5432:money:nino", null],
  ["db.example:5432:money:nino:a\\:b\\\\c\r\n", "a:b\\c"],
  ["db.example:5432:money:nino:", ""],
  ["", null],
];

Deno.test("the first line that fits has the password, with stars and backslashes as libpq", () => {
  for (const [text, password] of PASSWORDS) {
    assert.equal(passwordIn(text, ASKED), password, JSON.stringify(text));
  }
  const local = { ...ASKED, host: "[::1]", database: "a:b" };
  assert.equal(passwordIn("\\:\\:1:5432:a\\:b:nino:six", local), "six");
});

Deno.test("a file that others may read is refused, as is one without a line for the database", async () => {
  await using folder = await makeFolder();
  const path = join(folder.dir, "pass");
  const address = { hosts: [{ host: "db.example", port: 1 }], database: "money", user: "nino" };
  await Deno.writeTextFile(path, "db.example:2:money:nino:secret\n", { mode: 0o644 });
  await assert.rejects(readPassword(path, address), { code: "insecure_key_file" });
  await Deno.chmod(path, 0o600);
  await assert.rejects(readPassword(path, address), (error: Error & { code: string }) => {
    assert.equal(error.code, "invalid_config");
    assert.ok(!error.message.includes("secret"));
    return true;
  });
  const both = { ...address, hosts: [...address.hosts, { host: "db.example", port: 2 }] };
  assert.equal(await readPassword(path, both), "secret");
  await assert.rejects(readPassword(`${path}.no`, address), (error: KhachapuriError) => {
    assert.deepEqual([error.code, error.message], ["not_found", `no password file at ${path}.no`]);
    assert.match(error.hints[0]!, /as db\.example:1:money:nino:…$/);
    return true;
  });
});
