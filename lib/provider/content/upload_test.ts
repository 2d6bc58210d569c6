import assert from "node:assert/strict";
import {
  carOfBytes,
  openPushWorld,
  OWNER,
  piecesOf,
  sentBody,
} from "../../../worlds/content/push_world.ts";
import { parseCid } from "../../cid.ts";
import { Leisure } from "../../leisure.ts";
import { CarIntake, takingInto } from "./car_intake.ts";
import { Broken, receive } from "./upload.ts";

const CAR = carOfBytes(1_500_000);

async function opened() {
  const world = await openPushWorld();
  const file = await world.kept.files.openPart({ root: CAR.root, owner: OWNER });
  const intake = new CarIntake(parseCid(CAR.root), CAR.bytes.length);
  const written = async () => {
    await file.seek(0, Deno.SeekMode.Start);
    return new Uint8Array(await new Response(file.readable).arrayBuffer());
  };
  return {
    world,
    file,
    intake,
    take: takingInto(intake, new Leisure()),
    written,
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  };
}

Deno.test("what comes in pieces of any size is written as it came", async () => {
  await using at = await opened();
  await receive(piecesOf(CAR.bytes, 9_999), at.file, at.take, at.world.clock);
  await new Leisure().steps(at.intake.end());
  assert.deepEqual(await at.written(), CAR.bytes);
  assert.equal(at.world.clock.pending(), 0);
});

Deno.test("what breaks off is on disk as far as it came", async () => {
  await using at = await opened();
  const { body, send, breakOff } = sentBody();
  const received = receive(body, at.file, at.take, at.world.clock);
  send(CAR.bytes.subarray(0, 700_000));
  breakOff();
  await assert.rejects(received, Broken);
  assert.ok(at.intake.verified > 600_000);
  assert.deepEqual(await at.written(), CAR.bytes.subarray(0, 700_000));
  assert.equal(at.world.clock.pending(), 0);
});

Deno.test("a disk that takes nothing is told as such, and not as the caller's fault", async () => {
  await using at = await opened();
  const path = await Deno.makeTempFile();
  const full = await Deno.open(path, { read: true });
  const received = receive(piecesOf(CAR.bytes), full, at.take, at.world.clock);
  await assert.rejects(received, { code: "overloaded", message: /disk does not take it/ });
  full.close();
  await Deno.remove(path);
  at.file.close();
});

Deno.test("wrong bytes end it at once", async () => {
  await using at = await opened();
  const wrong = CAR.bytes.slice();
  wrong[70_000]! ^= 1;
  const { body, send } = sentBody();
  const received = receive(body, at.file, at.take, at.world.clock);
  send(wrong.subarray(0, 400_000));
  await assert.rejects(received, { code: "ipfs_mismatch" });
  at.file.close();
});
