/** A backup of a provider that serves, and what comes of it elsewhere. */
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { ACCOUNTS } from "../../../worlds/chain/people.ts";
import { hearLog } from "../../../worlds/heard_log.ts";
import { inFolder, makeFolder } from "../../../worlds/home.ts";
import { entriesOf, LongJournal, next } from "../../../worlds/long_journal.ts";
import { openProviderHome, type ProviderHome } from "../../../worlds/provider_home.ts";
import { seededRandom } from "../../../worlds/random.ts";
import { parseConfig, readConfig } from "../../config.ts";
import { startProvider } from "../door/serve.ts";
import { readJournal } from "../ledger/store.ts";
import { backUp } from "./backup.ts";
import { restore } from "./restore.ts";

const OWNER = ACCOUNTS.owner.address;
/** Credits in all and a minute: more than a fast machine takes while it is backed up. */
const MANY = 1_000_000n;
const NEVER = { settlement: { mode: "batch", intervalSeconds: 360 } };

async function madeOf(
  home: ProviderHome,
  options: { recipients?: string[]; withContent?: boolean; settings?: object } = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const { recipients = [], withContent = true, settings = NEVER } = options;
  let bytes = new Uint8Array();
  const config = home.config({ ...settings });
  await backUp({ config, release: "0.1.0", recipients, withContent, now: Date.now }, async (to) => {
    bytes = await new Response(to).bytes();
  });
  return bytes;
}

function restoreTo(
  dir: string,
  bytes: Uint8Array<ArrayBuffer>,
  options: { identities?: string[]; replaces?: boolean } = {},
) {
  const file = new Blob([bytes]).stream() as ReadableStream<Uint8Array<ArrayBuffer>>;
  const rest = { identities: [], replaces: false, ...options };
  return restore({ path: "b.tar.gz", file, home: dir, now: () => 0, ...rest });
}

const journalOf = (home: string) => readJournal(join(home, "state/book/ledger.db"), {});

Deno.test("a backup made while calls are served holds all that was charged before it", async () => {
  await using home = await openProviderHome();
  home.chain.fake.allow(OWNER, 1_000n, MANY);
  const { cid } = await home.deploy("echo hello", Number(MANY));
  await home.write(NEVER);
  const provider = await startProvider(home.config(NEVER), hearLog());
  const call = async () => {
    const response = await fetch(`${provider.url}/${cid}`);
    assert.deepEqual([response.status, await response.text()], [200, "hello\n"]);
  };
  let charged = 0;
  let isOver = false;
  const caller = async () => {
    for (; !isOver; charged++) await call();
  };
  await call();
  const callers = Promise.all(Array.from({ length: 8 }, caller));
  const backups: { bytes: Uint8Array<ArrayBuffer>; before: number }[] = [];
  for (let i = 0; i < 5; i++) {
    const before = charged + 1;
    backups.push({ before, bytes: await madeOf(home) });
  }
  isOver = true;
  await callers;
  await provider.stop();
  const all = journalOf(home.dir);
  for (const { bytes, before } of backups) {
    await using other = await makeFolder();
    await restoreTo(other.dir, bytes);
    const restored = journalOf(other.dir);
    const charges = restored.filter(({ kind }) => kind === "charge").length;
    assert(charges >= before, `${charges} charges of ${before} that were answered before`);
    assert.deepEqual(restored, all.slice(0, restored.length), "a beginning of the whole book");
  }
});

Deno.test("a provider goes on from a backup in another home, with keys, terms and deployments", async () => {
  await using home = await openProviderHome();
  home.chain.fake.allow(OWNER, 1_000n, 100n);
  const { cid } = await home.deploy("echo hello");
  await home.write(NEVER);
  const first = await startProvider(home.config(NEVER), hearLog());
  assert.equal(await (await fetch(`${first.url}/${cid}`)).text(), "hello\n");
  const bytes = await madeOf(home);
  await first.stop();
  await using other = await makeFolder();
  await Deno.remove(other.dir);
  const { manifest, asidePath } = await restoreTo(other.dir, bytes);
  assert.deepEqual([manifest.provider, asidePath], ["provider.test", null]);
  assert.equal((await Deno.stat(join(other.dir, "keys.json"))).mode! & 0o777, 0o600);
  const second = await startProvider(await readConfig(other.dir), hearLog());
  assert.equal(await (await fetch(`${second.url}/${cid}`)).text(), "hello\n");
  await second.stop();
  const names = await Array.fromAsync(Deno.readDir(other.dir), ({ name }) => name);
  assert.deepEqual(names.sort(), ["config.json", "keys.json", "state", "terms.txt"]);
});

Deno.test("what follows from the rest is in no backup, content only where it is asked for", async () => {
  await using home = await openProviderHome();
  await home.write(NEVER);
  for (const name of ["cache", "programs", "programs.2", "kept", "book"]) {
    await Deno.mkdir(join(home.dir, "state", name), { recursive: true });
    await Deno.writeTextFile(join(home.dir, "state", name, "file"), name);
  }
  for (const name of ["lock", "control.sock", "ledger.db-wal", "ledger.db-ballast"]) {
    await Deno.writeTextFile(join(home.dir, "state/book", name), "");
  }
  await Deno.writeTextFile(join(home.dir, "state/etc.2.mark"), "");
  // What a backup or a restore that was killed has left.
  for (const name of [".backup-x", ".restoring-x"]) {
    await Deno.mkdir(join(home.dir, name));
    await Deno.writeTextFile(join(home.dir, name, "keys.json"), "{}");
  }
  await Deno.symlink("/etc/passwd", join(home.dir, "link"));
  const filesOf = async (withContent: boolean) => {
    await using other = await makeFolder();
    const { manifest } = await restoreTo(other.dir, await madeOf(home, { withContent }));
    return manifest.files.map(({ name }) => name).sort();
  };
  const rest = ["config.json", "keys.json", "state/book/file", "terms.txt"];
  assert.deepEqual(await filesOf(false), rest.map((name) => `home/${name}`));
  const whole = [...rest.slice(0, 3), "state/kept/file", "terms.txt"];
  assert.deepEqual(await filesOf(true), whole.map((name) => `home/${name}`));
});

Deno.test("an encrypted backup opens to its recipient, and to nobody else", async () => {
  await using home = await openProviderHome();
  await home.write(NEVER);
  const [mine, other] = [await generateX25519Identity(), await generateX25519Identity()];
  const bytes = await madeOf(home, { recipients: [await identityToRecipient(mine)] });
  const text = new TextDecoder("latin1").decode(bytes);
  assert(text.startsWith("age-encryption.org/v1"));
  await using folder = await makeFolder();
  await assert.rejects(restoreTo(folder.dir, bytes), {
    code: "invalid_input",
    message: /encrypted/,
  });
  await assert.rejects(restoreTo(folder.dir, bytes, { identities: [other] }), {
    message: /encrypted to others/,
  });
  assert.deepEqual(await Array.fromAsync(Deno.readDir(folder.dir)), []);
  await restoreTo(folder.dir, bytes, { identities: [mine] });
  const keys = await Deno.readTextFile(join(folder.dir, "keys.json"));
  assert.equal(keys, await Deno.readTextFile(home.keysPath));
});

Deno.test("a recipient that is none is refused before anything is written", async () => {
  await using home = await openProviderHome();
  await home.write(NEVER);
  await assert.rejects(madeOf(home, { recipients: ["age1nobody"] }), {
    code: "invalid_input",
    message: /age1nobody is no age recipient/,
  });
  const names = await Array.fromAsync(Deno.readDir(home.dir), ({ name }) => name);
  assert.deepEqual(names.sort(), ["config.json", "keys.json", "terms.txt"]);
});

Deno.test("state and keys outside the home are in it, and go back to where they were", async () => {
  await using home = await openProviderHome();
  await using elsewhere = await makeFolder();
  const stateDir = join(elsewhere.dir, "srv");
  const keyFile = join(elsewhere.dir, "keys", "khachapuri.json");
  await Deno.mkdir(dirname(keyFile));
  await Deno.rename(home.keysPath, keyFile);
  await Deno.writeTextFile(join(dirname(keyFile), "somebody-elses"), "secret");
  const settings = { stateDir, keyFile };
  await home.write(settings);
  await Deno.mkdir(join(stateDir, "book"), { recursive: true });
  await Deno.writeTextFile(join(stateDir, "book", "followed.json"), "{}");
  const bytes = await madeOf(home, { settings });
  await using other = await makeFolder();
  await assert.rejects(restoreTo(other.dir, bytes), {
    message: /is there, and the backup has one/,
  });
  assert.deepEqual(await Array.fromAsync(Deno.readDir(other.dir)), []);
  await Deno.remove(stateDir, { recursive: true });
  await Deno.remove(keyFile);
  const { manifest } = await restoreTo(other.dir, bytes);
  assert.equal(await Deno.readTextFile(join(stateDir, "book", "followed.json")), "{}");
  assert.equal((await Deno.stat(keyFile)).mode! & 0o777, 0o600);
  assert.deepEqual(manifest.files.filter(({ name }) => /somebody/.test(name)), []);
  const config = parseConfig(
    JSON.parse(await Deno.readTextFile(join(other.dir, "config.json"))),
    other.dir,
  );
  assert.equal(config.provider?.stateDir, stateDir);
});

Deno.test("a backup made while rows go into the archive holds the journal up to its moment", () =>
  inFolder(async (elsewhere) => {
    await using home = await openProviderHome();
    await home.write(NEVER);
    await Deno.mkdir(join(home.dir, "state/book"), { recursive: true });
    const journal = await LongJournal.open(join(home.dir, "state/book/ledger.db"));
    const customers = { payers: 3, deployments: 2, receipts: 0.3 };
    const source = entriesOf(seededRandom("backups"), customers);
    const policy = { rows: 50, archiveBytes: Infinity, receiptBytes: Infinity };
    const maintenance = journal.maintenance({ policy });
    journal.write(next(source, 400));
    await maintenance.round(400);
    let isOver = false;
    const writing = (async () => {
      while (!isOver) {
        journal.write(next(source, 40));
        await maintenance.round(journal.table.newest());
      }
    })();
    for (let nth = 0; nth < 4; nth++) {
      const before = journal.entries.length;
      const bytes = await madeOf(home);
      const other = join(elsewhere, String(nth));
      await restoreTo(other, bytes);
      const restored = journalOf(other);
      assert.ok(restored.length >= before);
      const files = await Array.fromAsync(Deno.readDir(join(other, "state/book/archive")));
      assert.ok(files.length > 0);
      assert.deepEqual(restored, journalOf(home.dir).slice(0, restored.length));
    }
    isOver = true;
    await writing;
    journal.close();
  }));

Deno.test("what goes from the archive while the rest is copied is in the backup", () =>
  inFolder(async (elsewhere) => {
    await using home = await openProviderHome();
    await home.write(NEVER);
    for (const name of ["book", "kept"]) {
      await Deno.mkdir(join(home.dir, "state", name), { recursive: true });
    }
    const journal = await LongJournal.open(join(home.dir, "state/book/ledger.db"));
    const customers = { payers: 3, deployments: 2, receipts: 0.3 };
    journal.write(next(entriesOf(seededRandom("going"), customers), 500));
    const policy = { rows: 50, archiveBytes: Infinity, receiptBytes: Infinity };
    await journal.maintenance({ policy }).round(500);
    const before = journalOf(home.dir);
    // Copied after the ledger, and no reader takes all of it at once.
    const path = join(home.dir, "state/kept/content");
    for (let piece = 0; piece < 256; piece++) {
      await Deno.writeFile(path, crypto.getRandomValues(new Uint8Array(65_536)), { append: true });
    }
    const letGo = () => journal.maintenance({ policy: { ...policy, archiveBytes: 0 } }).round(500);
    const named = journal.table.database.prepare("SELECT kind, first FROM segments").all();
    assert.ok(named.length > 3);
    const parts: Uint8Array<ArrayBuffer>[] = [];
    const config = home.config(NEVER);
    const options = { config, release: "0.1.0", recipients: [], withContent: true, now: Date.now };
    await backUp(options, async (archive) => {
      let bytes = 0;
      let isGone = false;
      for await (const part of archive) {
        parts.push(part);
        bytes += part.length;
        if (isGone || bytes < 4e6) continue;
        isGone = true;
        // With the second round the files go as well.
        await letGo();
        await letGo();
      }
    });
    assert.equal(journalOf(home.dir).length, 500 - 448, "they are gone here");
    await restoreTo(elsewhere, await new Blob(parts).bytes());
    assert.deepEqual(journalOf(elsewhere), before);
    journal.close();
  }));
