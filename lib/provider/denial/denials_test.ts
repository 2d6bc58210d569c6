import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { getAddress } from "viem";
import { formatCid, parseCid } from "../../cid.ts";
import type { KhachapuriError } from "../../errors.ts";
import { denialToJson, type DenialWish, parseDenialWish } from "./denial.ts";
import { DenialBook } from "./denial_book.ts";
import { Denials } from "./denials.ts";
import { type DenialKind, EVERYBODY } from "./welcome.ts";

const OWNER = getAddress(`0x${"11".repeat(20)}`);
const OTHER = getAddress(`0x${"22".repeat(20)}`);
const CID = formatCid(parseCid("bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"));
const WISH: DenialWish = {
  kind: "owner",
  what: OWNER,
  reason: "phishing",
  note: null,
  until: null,
};

function openDenials() {
  const refused: DenialKind[] = [];
  const clock = { now: 1_000 };
  const book = DenialBook.open(":memory:");
  const onRefused = (kind: DenialKind) => void refused.push(kind);
  const denials = new Denials({ book, now: () => clock.now, onRefused });
  return { denials, clock, refused, [Symbol.dispose]: () => book.close() };
}

Deno.test("each kind refuses what it is about, at once, and nothing else", () => {
  using world = openDenials();
  const { denials, refused } = world;
  denials.deny({ ...WISH, note: "letter of 3 May" });
  denials.deny({ ...WISH, kind: "payer", what: OTHER });
  denials.deny({ ...WISH, kind: "deployment", what: CID });
  denials.deny({ ...WISH, kind: "network", what: "198.51.100.0/24" });
  const why = { code: "denied", message: /not served here: phishing/ };
  assert.throws(() => denials.assertOwner(OWNER), why);
  assert.throws(() => denials.assertPayer(OTHER), why);
  assert.throws(() => denials.assertDeployment(CID), why);
  assert.throws(() => denials.assertNetwork("198.51.100.7"), why);
  denials.assertOwner(OTHER);
  denials.assertPayer(OWNER);
  denials.assertNetwork("198.51.101.7");
  assert.deepEqual(refused, ["owner", "payer", "deployment", "network"]);
  assert.deepEqual(denials.counts(), { owner: 1, deployment: 1, payer: 1, network: 1 });
});

Deno.test("who is refused hears the public reason, the number and the end, and not the note", () => {
  using world = openDenials();
  const until = Date.parse("2030-01-01T00:00:00Z");
  world.denials.deny({ ...WISH, note: "letter of 3 May", until });
  const refusal = world.denials.refusal("owner", OWNER) as KhachapuriError;
  assert.deepEqual([refusal.status, refusal.exitCode], [403, 6]);
  const told = JSON.stringify(refusal);
  assert.ok(told.includes("phishing") && !told.includes("letter"), told);
  const { denied, denial, until: end } = refusal.data;
  assert.deepEqual([denied, denial, end], ["owner", 1, "2030-01-01T00:00:00Z"]);
  assert.deepEqual(world.refused, [], "nobody was refused by asking");
});

Deno.test("a denial is over by itself, and a wider one still counts", () => {
  using world = openDenials();
  const { denials, clock } = world;
  denials.deny({ ...WISH, until: 2_000 });
  denials.deny({ ...WISH, kind: "network", what: "198.51.100.7/32", until: 2_000 });
  denials.deny({ ...WISH, kind: "network", what: "198.51.100.0/24" });
  clock.now = 1_999;
  assert.throws(() => denials.assertOwner(OWNER), { code: "denied" });
  clock.now = 2_000;
  denials.assertOwner(OWNER);
  assert.throws(
    () => denials.assertNetwork("198.51.100.7"),
    (error: KhachapuriError) => error.data.denial === 3,
  );
  assert.deepEqual(denials.counts(), { owner: 0, deployment: 0, payer: 0, network: 1 });
  // What is over is denied anew under another number.
  assert.equal(denials.deny(WISH).id, 4);
});

Deno.test("denying twice changes the reason and the end of the one that there is", () => {
  using world = openDenials();
  const { denials } = world;
  denials.deny(WISH);
  const again = denials.deny({ ...WISH, reason: "spam", until: 9_000 });
  assert.deepEqual([again.id, again.reason, again.until], [1, "spam", 9_000]);
  assert.equal(denials.all().length, 1);
});

Deno.test("lifting ends one; what is lifted stays in the book, and lifting again changes nothing", () => {
  using world = openDenials();
  const { denials, clock } = world;
  denials.deny(WISH);
  denials.lift(1);
  denials.assertOwner(OWNER);
  clock.now = 5_000;
  assert.equal(denials.lift(1).lifted, 1_000);
  assert.equal(denialToJson(denials.all()[0]!, clock.now).state, "lifted");
  assert.throws(() => denials.lift(7), { code: "not_found" });
});

Deno.test("what the process before has written last is in force once it is read anew", async () => {
  const dir = await Deno.makeTempDir();
  const path = join(dir, "denials.db");
  const [before, after] = [DenialBook.open(path), DenialBook.open(path)];
  const denials = new Denials({ book: after, now: () => 1_000 });
  new Denials({ book: before, now: () => 1_000 }).deny(WISH);
  denials.assertOwner(OWNER);
  denials.reread();
  assert.throws(() => denials.assertOwner(OWNER), { code: "denied" });
  for (const book of [before, after]) book.close();
  await Deno.remove(dir, { recursive: true });
});

Deno.test("denials outlive the process, and a later release's book is refused by name", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const path = join(dir, "denials.db");
    const now = () => 1_000;
    new Denials({ book: DenialBook.open(path), now }).deny(WISH);
    // No close: the process is gone.
    const book = DenialBook.open(path);
    assert.throws(() => new Denials({ book, now }).assertOwner(OWNER), { code: "denied" });
    book.close();
    const database = new DatabaseSync(path);
    database.exec("PRAGMA user_version = 99");
    database.close();
    assert.throws(() => DenialBook.open(path), {
      code: "invalid_config",
      message: /later release/,
    });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("what an operator asks for is read strictly", () => {
  const read = (changes: object) => parseDenialWish({ ...WISH, ...changes }, 1_000);
  assert.equal(read({ what: OWNER.toLowerCase() }).what, OWNER);
  assert.equal(read({ kind: "network", what: "198.51.100.9/24" }).what, "198.51.100.0/24");
  assert.equal(read({ reason: "  phishing " }).reason, "phishing");
  const faults = [
    { what: "0x12" },
    { what: OWNER.replace("1", "2") + "0" },
    { kind: "deployment", what: "bafynope" },
    { kind: "country" },
    { reason: "" },
    { reason: "a\nb" },
    { reason: "a".repeat(201) },
    { until: 1_000 },
    { more: 1 },
  ];
  for (const fault of faults) assert.throws(() => read(fault), JSON.stringify(fault));
});

Deno.test("where nobody is denied, everybody is served", () => {
  EVERYBODY.assertOwner(OWNER);
  EVERYBODY.assertPayer(OWNER);
  EVERYBODY.assertDeployment(CID);
  EVERYBODY.assertNetwork("198.51.100.7");
  assert.equal(EVERYBODY.refusal("owner", OWNER), null);
});
