import assert from "node:assert/strict";
import { carOf, nodeOf, rawBlock, referenceCar, utf8 } from "../../../worlds/content/cars.ts";
import {
  type Car,
  carOfBytes,
  openPushWorld,
  OTHER,
  OWNER,
  piecesOf,
  pushOf,
  type PushWorld,
  sentBody,
} from "../../../worlds/content/push_world.ts";
import { formatCid, parseCid } from "../../cid.ts";
import { OWNER_PUSHES_MAX, PUSH_CAR_BYTES_MAX } from "../../limits_of_content.ts";

const KIB = 1024;
const CAR = carOfBytes(300 * KIB);

const offsetOf = ({ ingest }: PushWorld, owner = OWNER) =>
  ingest.offset(pushOf(CAR, { owner }), "203.0.113.7");

Deno.test("a push is kept: its file, its blocks and its answer", async () => {
  await using world = await openPushWorld();
  const receipt = await world.push(CAR);
  const { kept, clock } = world;
  assert.equal(receipt.root, CAR.root);
  assert.equal(receipt.bytes, CAR.bytes.length);
  assert.ok(receipt.isNew);
  assert.equal(receipt.keptUntil, BigInt(Math.floor(clock.now() / 1_000)) + 86_400n);
  assert.deepEqual(receipt.quota, { used: kept.bytes(), allowed: 4 * 2 ** 20 });
  assert.deepEqual(await world.files(), [`${CAR.root}.car`]);
  const file = await kept.readFile(parseCid(CAR.root), 2 ** 20);
  assert.equal(file?.length, 300 * KIB);
  assert.deepEqual(world.arrived, [CAR.root]);
});

Deno.test("what is here already is kept longer, and no byte of it is read", async () => {
  await using world = await openPushWorld();
  await world.push(CAR);
  world.hours(2);
  const { body } = sentBody();
  const again = await world.push(CAR, pushOf(CAR, { bytes: 7n }), 0, body);
  assert.equal(again.isNew, false);
  assert.equal(again.bytes, CAR.bytes.length, "what is kept, whatever was said to come");
  assert.equal(again.keptUntil, BigInt(Math.floor(world.clock.now() / 1_000)) + 86_400n);
  const others = await world.push(CAR, pushOf(CAR, { owner: OTHER }), 0, body);
  assert.equal(others.isNew, false);
  assert.deepEqual(world.kept.index.keepers().map(({ owner }) => owner), [OWNER, OTHER]);
  assert.equal(world.kept.count(), 1);
});

Deno.test("what an owner's allowance is good for no more is kept no longer by pushing it again", async () => {
  await using world = await openPushWorld();
  await world.push(CAR);
  world.allowed.set(OWNER, 1n);
  await assert.rejects(world.push(CAR), { code: "payment_required" });
  world.allowed.set(OWNER, 4_000_000n);
  assert.equal((await world.push(CAR)).isNew, false);
});

Deno.test("who has allowed nothing is told what to do, and no byte is read", async () => {
  await using world = await openPushWorld();
  world.allowed.set(OWNER, 0n);
  const { body } = sentBody();
  await assert.rejects(world.push(CAR, pushOf(CAR), 0, body), (error: never) => {
    const { code, hints } = error as { code: string; hints: string[] };
    assert.equal(code, "payment_required");
    assert.match(hints.join(), /khachapuri allow NAME --credits N/);
    return true;
  });
  assert.deepEqual(await world.files(), []);
  world.allowed.set(OWNER, 1_000_000n);
  assert.ok((await world.push(CAR)).isNew, "with an allowance it goes");
});

Deno.test("a push is good once, also after a restart, and the refused one again", async () => {
  await using world = await openPushWorld();
  world.allowed.set(OWNER, 0n);
  const push = pushOf(CAR);
  await assert.rejects(world.push(CAR, push), { code: "payment_required" });
  world.allowed.set(OWNER, 4_000_000n);
  await world.push(CAR, push);
  await assert.rejects(world.push(CAR, push), {
    code: "invalid_signature",
    message: /made before/,
  });
  await world.reopen();
  await assert.rejects(world.push(CAR, push), { code: "invalid_signature" });
  await assert.doesNotReject(world.push(CAR));
});

Deno.test("what one owner has is told to no other, who may have it kept all the same", async () => {
  await using world = await openPushWorld();
  await world.push(CAR);
  assert.equal(await offsetOf(world), CAR.bytes.length);
  assert.equal(await offsetOf(world, OTHER), 0);
  world.allowed.set(OTHER, 0n);
  await assert.rejects(offsetOf(world, OTHER), { code: "payment_required" });
  world.allowed.set(OTHER, 4_000_000n);
  const { body } = sentBody();
  const receipt = await world.push(CAR, pushOf(CAR, { owner: OTHER }), 0, body);
  assert.equal(receipt.isNew, false, "and not a byte was asked for");
  assert.equal(await offsetOf(world, OTHER), CAR.bytes.length);
});

Deno.test("two of one nonce at once: one", async () => {
  await using world = await openPushWorld();
  const push = pushOf(CAR);
  const ends = await Promise.allSettled([world.push(CAR, push), world.push(CAR, push)]);
  assert.deepEqual(ends.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
});

Deno.test("pushes at once cannot have more than the quota together", async () => {
  await using world = await openPushWorld();
  const cars = [1, 2, 3].map((seed) => carOfBytes(2_000 * KIB, seed));
  const ends = await Promise.allSettled(cars.map((car) => world.push(car)));
  const told = ends.map((end) => end.status === "fulfilled" ? "kept" : end.reason.code);
  assert.deepEqual(told.sort(), ["kept", "kept", "payment_required"]);
  assert.ok(world.room.used(OWNER) <= 4 * 2 ** 20);
});

Deno.test("at the most of one owner more allowance is not what helps", async () => {
  await using world = await openPushWorld({ bytesPerOwnerMax: 256 * KIB });
  await assert.rejects(world.push(CAR), { code: "body_too_large", message: /262144/ });
});

Deno.test("the disk of all is bounded, and what nobody needs makes room after an hour", async () => {
  await using world = await openPushWorld({ bytesMax: 700 * KIB });
  const [first, second, third] = [1, 2, 3].map((seed) => carOfBytes(300 * KIB, seed)) as [
    Car,
    Car,
    Car,
  ];
  await world.push(first);
  await world.push(second);
  const others = pushOf(third, { owner: OTHER });
  await assert.rejects(world.push(third, others), { code: "overloaded", message: /full/ });
  world.kept.noteUse([first.root], { owner: OWNER, id: "0x01" });
  world.hours(1.1);
  await world.push(third, others);
  assert.deepEqual(await world.files(), [first, third].map(({ root }) => `${root}.car`).sort());
});

Deno.test("too large, or of another length than signed, is refused before it is read", async () => {
  await using world = await openPushWorld();
  const large = pushOf(CAR, { bytes: BigInt(PUSH_CAR_BYTES_MAX) + 1n });
  await assert.rejects(world.push(CAR, large), { code: "body_too_large" });
  const upload = { body: piecesOf(CAR.bytes), offset: 0, from: "203.0.113.7" };
  const bodyBytes = CAR.bytes.length - 1;
  await assert.rejects(world.ingest.take(pushOf(CAR), { ...upload, bodyBytes }), {
    code: "invalid_input",
    message: /were? left|are left/,
  });
  await assert.rejects(
    world.ingest.take(pushOf(CAR), { ...upload, bodyBytes: null, offset: CAR.bytes.length + 1 }),
    { code: "invalid_input", message: /behind the end/ },
  );
});

Deno.test("a body of more than was announced is cut off, and nothing is kept", async () => {
  await using world = await openPushWorld();
  const long = new Uint8Array(CAR.bytes.length + 1);
  long.set(CAR.bytes);
  await assert.rejects(world.push(CAR, pushOf(CAR), 0, piecesOf(long)), /more than/);
  assert.deepEqual(await world.files(), []);
});

Deno.test("content that is not what was announced leaves nothing behind", async () => {
  await using world = await openPushWorld();
  const leaf = rawBlock("leaf");
  const root = nodeOf([leaf.cid]);
  const bad: [string, Uint8Array<ArrayBuffer>][] = [
    ["wrong bytes", carOf(root.cid, [root, { cid: leaf.cid, bytes: utf8("fool") }])],
    ["a block too many", carOf(root.cid, [root, leaf, rawBlock("other")])],
    ["a block that lacks", carOf(root.cid, [root])],
  ];
  for (const [what, bytes] of bad) {
    const car = { root: formatCid(root.cid), bytes };
    await assert.rejects(world.push(car), /not a CAR|bytes that are not/, what);
    assert.deepEqual(await world.files(), [], what);
    assert.equal(await world.kept.get(leaf.cid), null, what);
    assert.equal(world.room.used(OWNER), 0, what);
  }
  await world.push({ root: formatCid(root.cid), bytes: carOf(root.cid, [root, leaf]) });
  assert.deepEqual(await world.kept.get(leaf.cid), leaf.bytes);
});

Deno.test("a push that breaks off in a block goes on behind the last whole one", async () => {
  await using world = await openPushWorld();
  const { body, send, breakOff } = sentBody();
  const pushed = world.push(CAR, pushOf(CAR), 0, body);
  send(CAR.bytes.subarray(0, 200 * KIB));
  breakOff();
  await assert.rejects(pushed, /hung up/);
  const offset = await offsetOf(world);
  assert.ok(offset > 128 * KIB && offset < 200 * KIB, String(offset));
  assert.ok(world.room.used(OWNER) >= offset, "it counts");
  await assert.rejects(world.push(CAR, pushOf(CAR), offset - 1), {
    message: /upload-offset/,
    data: { uploadOffset: offset },
  });
  await world.push(CAR, pushOf(CAR), offset);
  assert.equal((await world.kept.readFile(parseCid(CAR.root), 2 ** 20))?.length, 300 * KIB);
  assert.equal(await offsetOf(world), CAR.bytes.length);
  assert.deepEqual(await world.files(), [`${CAR.root}.car`]);
});

Deno.test("it goes on after a kill too, and others see nothing of it", async () => {
  await using world = await openPushWorld();
  const { body, send, asked } = sentBody();
  const pushed = world.push(CAR, pushOf(CAR), 0, body);
  pushed.catch(() => {});
  await asked;
  send(CAR.bytes.subarray(0, 250 * KIB));
  const name = `${CAR.root}.${OWNER}.part`;
  // As if the process had ended with so much written, in the midst of a block.
  await Deno.writeFile(`${world.dir}/${name}`, CAR.bytes.subarray(0, 180 * KIB + 17));
  await world.reopen();
  assert.equal(await offsetOf(world, OTHER), 0);
  const offset = await offsetOf(world);
  assert.ok(offset > 128 * KIB && offset <= 180 * KIB, String(offset));
  await world.push(CAR, pushOf(CAR), offset);
  assert.equal((await world.kept.readFile(parseCid(CAR.root), 2 ** 20))?.length, 300 * KIB);
});

Deno.test("what broke off is kept for an hour, and less where its owner needs the room", async () => {
  await using world = await openPushWorld();
  const breakOff = async (car: Car) => {
    const { body, send, breakOff } = sentBody();
    const pushed = world.push(car, pushOf(car), 0, body);
    send(car.bytes.subarray(0, 200 * KIB));
    breakOff();
    await assert.rejects(pushed);
  };
  await breakOff(CAR);
  world.hours(0.9);
  await world.parts.sweep();
  assert.equal((await world.files()).length, 1);
  world.hours(0.2);
  await world.parts.sweep();
  assert.deepEqual(await world.files(), []);
  await breakOff(CAR);
  const whole = carOfBytes(4 * 1024 * KIB - 20 * KIB, 5);
  await world.push(whole);
  assert.deepEqual(await world.files(), [`${whole.root}.car`]);
});

Deno.test("who sends a byte a second is ended, and who sends enough is not", async () => {
  await using world = await openPushWorld();
  const drip = sentBody();
  const slow = world.push(CAR, pushOf(CAR), 0, drip.body);
  await drip.asked;
  for (let second = 0; second < 9; second++) {
    drip.send(CAR.bytes.subarray(second, second + 1));
    world.clock.advance(1_000);
  }
  world.clock.advance(2_000);
  await assert.rejects(slow, /too slow/);

  const steady = sentBody();
  const pushed = world.push(CAR, pushOf(CAR), 0, steady.body);
  await steady.asked;
  for (let at = 0; at < CAR.bytes.length; at += 100 * KIB) {
    world.clock.advance(9_000);
    steady.send(CAR.bytes.subarray(at, at + 100 * KIB));
    await steady.taken();
  }
  steady.end();
  assert.ok((await pushed).isNew);
});

Deno.test("of one owner few come at a time, and the same once", async () => {
  await using world = await openPushWorld();
  const bodies = [1, 2, 3, 4].map((seed) => ({ car: carOfBytes(10 * KIB, seed), ...sentBody() }));
  assert.equal(bodies.length, OWNER_PUSHES_MAX);
  const pushes = bodies.map(({ car, body }) => world.push(car, pushOf(car), 0, body));
  await Promise.all(bodies.map(({ asked }) => asked));
  const fifth = carOfBytes(10 * KIB, 5);
  await assert.rejects(world.push(fifth), { code: "overloaded", message: /too many pushes/ });
  assert.ok((await world.push(fifth, pushOf(fifth, { owner: OTHER }))).isNew);
  const same = world.push(bodies[0]!.car);
  for (const { car, send, end } of bodies) {
    send(car.bytes);
    end();
  }
  await Promise.all(pushes);
  assert.equal((await same).isNew, false, "it waited, and found it here");
});

Deno.test("CARs of other writers are kept and read, folders too", async () => {
  await using world = await openPushWorld();
  const content = new Uint8Array(1_000_000).map((_, index) => index * 13 % 256);
  for (const isWrapped of [false, true]) {
    const { root, bytes } = await referenceCar({ "program.zip": content }, 256 * KIB, isWrapped);
    await world.push({ root: formatCid(root), bytes });
    const read = world.kept.readFile(root, 2 ** 20);
    if (isWrapped) await assert.rejects(read, { code: "invalid_input", message: /directory/ });
    else assert.deepEqual(await read, content);
  }
});

Deno.test("the empty file is a file", async () => {
  await using world = await openPushWorld();
  const { cid, bytes } = rawBlock("");
  await world.push({ root: formatCid(cid), bytes: carOf(cid, [{ cid, bytes }]) });
  assert.deepEqual(await world.kept.readFile(cid, 10), new Uint8Array());
});

const copyOf = (car: Car, at: number, owner = OWNER) => {
  return { root: car.root, owner, bytes: car.bytes.length, at };
};

Deno.test("a copy is kept as of when it was to be kept at the other node, whatever is allowed here", async () => {
  await using world = await openPushWorld();
  const { ingest, kept, clock, allowed } = world;
  allowed.set(OWNER, 0n);
  const at = clock.now() - 1_000;
  assert.equal(await ingest.takeCopy(copyOf(CAR, at), null), false);
  assert.equal(await ingest.takeCopy(copyOf(CAR, at), piecesOf(CAR.bytes)), true);
  assert.equal(kept.index.keepers()[0]!.protectedAt, at);
  assert.deepEqual(world.arrived, [CAR.root]);
  assert.equal((await kept.readFile(parseCid(CAR.root), 2 ** 20))?.length, 300 * KIB);
  for (const [said, is] of [[at - 5, at], [at + 5, at + 5]] as const) {
    assert.equal(await ingest.takeCopy(copyOf(CAR, said), null), true);
    assert.equal(kept.index.keepers()[0]!.protectedAt, is);
  }
});

Deno.test("a copy takes room that is free, has nothing given up, and is what it says", async () => {
  await using world = await openPushWorld({ bytesMax: 600 * KIB });
  const { ingest, kept } = world;
  await world.push(CAR);
  world.hours(48);
  const other = carOfBytes(300 * KIB, 2);
  const take = (car: Car, bytes = car.bytes) =>
    ingest.takeCopy(copyOf(car, world.clock.now()), piecesOf(bytes));
  await assert.rejects(take(other), { code: "overloaded" });
  assert.deepEqual(kept.index.keepers().map(({ root }) => root), [CAR.root]);
  const small = carOfBytes(10 * KIB, 3);
  const changed = small.bytes.slice();
  changed[changed.length - 1]! ^= 1;
  await assert.rejects(take(small, changed), { code: "ipfs_mismatch" });
  await assert.rejects(take({ ...small, root: other.root }), { code: "invalid_input" });
  assert.equal(await take(small), true);
});

Deno.test("a copy and a push of the same at once: one file, for both", async () => {
  await using world = await openPushWorld();
  const { ingest, kept } = world;
  const { body, asked, send, end } = sentBody();
  const copying = ingest.takeCopy(copyOf(CAR, 5), body);
  await asked;
  const pushing = world.push(CAR);
  send(CAR.bytes.slice());
  end();
  assert.deepEqual([await copying, (await pushing).isNew], [true, false]);
  assert.equal(kept.index.keepers()[0]!.protectedAt, world.clock.now());
  await ingest.retire(0);
  await assert.rejects(ingest.takeCopy(copyOf(CAR, 5), null), { code: "overloaded" });
});

Deno.test("of a copy and a push of the same, whenever one comes, one is read", async () => {
  await using world = await openPushWorld();
  for (let moment = 0; moment < 40; moment++) {
    const car = carOfBytes(2 * KIB, 100 + moment);
    const read = new Set<string>();
    const bodyOf = (whose: string) => {
      const body = piecesOf(car.bytes);
      return { ...body, read: () => (read.add(whose), body.read()) };
    };
    const pushing = world.push(car, pushOf(car), 0, bodyOf("push"));
    for (let count = 0; count < moment; count++) await null;
    const copying = world.ingest.takeCopy(copyOf(car, 5), bodyOf("copy"));
    await Promise.all([pushing, copying]);
    assert.equal(read.size, 1, `moment ${moment}`);
  }
});
