import assert from "node:assert/strict";
import { join } from "node:path";
import { inFolder } from "../../../worlds/home.ts";
import { sampleSpec } from "../../../worlds/spec/sample_spec.ts";
import type { CidText } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import {
  generateIdentity,
  readKeyFile,
  recipientOf,
  renewKeys,
  shortRecipient,
  writeKeyFile,
} from "../../spec/keys.ts";
import { openRecords } from "../deployment/records.ts";
import { keyFileLost, lostIdentities, tellLost } from "./lost_keys.ts";

const nameOf = async (identity: string) => shortRecipient(await recipientOf(identity));

Deno.test("what is lost with an identity is told, and where it may still lie", async () => {
  await inFolder(async (dir) => {
    const [old, newer] = [await generateIdentity("x25519"), await generateIdentity("x25519")];
    const [keysPath, path] = [join(dir, "keys.json"), join(dir, "deployments.db")];
    await writeKeyFile(keysPath, { version: 1, identities: [old] });
    const records = openRecords(path);
    for (const cid of ["bafyone", "bafytwo", "bafythree", "bafyfour"] as CidText[]) {
      const spec = await sampleSpec();
      const entry = spec.providers[0]!;
      records.registrations.add({ cid, spec, entry, recipient: await nameOf(old) });
    }
    records.close();
    const lost = async () => await lostIdentities(await readKeyFile(keysPath), keysPath, path);
    assert.deepEqual(await lost(), []);

    const kept = await renewKeys(keysPath, (keys) => ({ ...keys, identities: [newer] }));
    const [one, ...others] = await lost();
    assert.deepEqual(others, []);
    assert.deepEqual([one!.recipient, one!.keptIn], [await nameOf(old), [kept]]);
    assert.equal(one!.deployments.length, 4);
    const { detail, hints } = tellLost([one!]);
    assert.match(detail, /^4 deployments are encrypted to age1\w+…\w+, whose identity is not in/);
    assert.match(hints.join("\n"), /answered 421: bafyone, bafytwo, bafythree, …\n.* has it: put/);
    assert.ok(!JSON.stringify([detail, hints]).includes("AGE-SECRET"));
    const [, where] = tellLost([{ ...one!, keptIn: [] }]).hints;
    assert.match(where!, /from a backup of the key file/);

    const [all] = await lostIdentities(null, keysPath, path);
    assert.equal(all!.deployments.length, 4, "without a key file all of them");
  });
});

Deno.test("a lost key file is put back from a backup, or what is kept beside it", () => {
  const cause = new KhachapuriError("not_found", "no key file at /k");
  const hints = (kept: string[], waiting: number) => keyFileLost(cause, kept, waiting).hints;
  assert.equal(keyFileLost(cause, [], 0).code, "not_found");
  assert.match(hints([], 0)[0]!, /^put it back from a backup: .* with its keys only$/);
  assert.match(hints([], 1)[0]!, /\(1 deployment\)$/);
  assert.match(hints(["/k.1", "/k.0"], 2)[1]!, /^\/k\.1 is what it held before/);
});
