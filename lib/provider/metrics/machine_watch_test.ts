import assert from "node:assert/strict";
import { hearLog } from "../../../worlds/heard_log.ts";
import { inFolder } from "../../../worlds/home.ts";
import { KhachapuriError } from "../../errors.ts";
import {
  DISK_FREE_BYTES_LEAST,
  DISK_FREE_FILES_LEAST,
  MEMORY_FREE_BYTES_LEAST,
} from "../../limits_of_machine.ts";
import {
  type DiskRoom,
  diskTrouble,
  MachineWatch,
  memoryTrouble,
  roomAt,
} from "./machine_watch.ts";

const GIB = 1024 ** 3;
const ROOMY: DiskRoom = { bytes: 100 * GIB, freeBytes: 50 * GIB, files: 1e6, freeFiles: 5e5 };

Deno.test("a disk is full below its bound, and a small one below a twentieth of it", () => {
  const least = DISK_FREE_BYTES_LEAST;
  assert.equal(diskTrouble(ROOMY), null);
  assert.equal(diskTrouble({ ...ROOMY, freeBytes: least }), null);
  assert.match(diskTrouble({ ...ROOMY, freeBytes: least - 1 })!, /disk is full/);
  const small = { ...ROOMY, bytes: 100e6 };
  assert.equal(diskTrouble({ ...small, freeBytes: 5e6 }), null);
  assert.match(diskTrouble({ ...small, freeBytes: 4.9e6 })!, /disk is full/);
  assert.match(diskTrouble({ ...ROOMY, freeFiles: DISK_FREE_FILES_LEAST - 1 })!, /further files/);
  assert.match(diskTrouble({ ...ROOMY, files: 100, freeFiles: 4 })!, /further files/);
  assert.equal(diskTrouble({ ...ROOMY, files: 0, freeFiles: 0 }), null, "btrfs counts none");
});

Deno.test("memory is short below its bound", () => {
  const availableBytes = MEMORY_FREE_BYTES_LEAST;
  assert.equal(memoryTrouble({ availableBytes }), null);
  assert.match(memoryTrouble({ availableBytes: availableBytes - 1 })!, /short of memory/);
});

function watched() {
  const { log, lines } = hearLog();
  const ballast = {
    isThere: true,
    isGivenUp: () => !ballast.isThere,
    restore: () => ballast.isThere = true,
  };
  const machine = {
    room: ROOMY as DiskRoom | null,
    availableBytes: GIB,
    failure: null as KhachapuriError | null,
  };
  const watch = new MachineWatch({
    lookAtDisk: () => machine.room ? Promise.resolve(machine.room) : Promise.reject(new Error()),
    availableBytes: () => machine.availableBytes,
    ballast,
    failure: () => machine.failure,
    log,
  });
  return { watch, machine, ballast, lines };
}

Deno.test("a full disk refuses calls with a time to come back, until it has room again", async () => {
  const { watch, machine, lines } = watched();
  await watch.look();
  assert.equal(watch.refusal(), null);
  machine.room = { ...ROOMY, freeBytes: 0 };
  await watch.look();
  const { status, retryAfterSeconds } = watch.refusal()!;
  assert.deepEqual([status, retryAfterSeconds], [503, 5]);
  assert.deepEqual(watch.alarms(), ["the provider's disk is full"]);
  machine.room = null;
  await watch.look();
  assert.match(watch.refusal()!.shortMessage, /cannot be looked at/);
  machine.room = ROOMY;
  await watch.look();
  assert.equal(watch.refusal(), null);
  assert.equal(lines.filter((line) => line.includes("calls are refused")).length, 2);
  assert.equal(lines.filter((line) => line.includes("taken again")).length, 1);
});

Deno.test("a ballast that was given up refuses at once, whatever the last look saw", async () => {
  const { watch, ballast } = watched();
  await watch.look();
  ballast.isThere = false;
  assert.match(watch.refusal()!.shortMessage, /disk is full/);
  await watch.look();
  assert.equal(watch.refusal(), null);
});

Deno.test("little memory refuses what is not open yet, and calls to what is open go on", () => {
  const { watch, machine } = watched();
  machine.availableBytes = 0;
  assert.equal(watch.sandboxRefusal()!.status, 503);
  assert.equal(watch.refusal(), null);
  assert.deepEqual(watch.alarms(), ["the provider is short of memory"]);
  machine.availableBytes = GIB;
  assert.equal(watch.sandboxRefusal(), null);
});

Deno.test("books that fail are told once and for all", async () => {
  const { watch, machine } = watched();
  const failure = machine.failure = new KhachapuriError("overloaded", "the ledger fails");
  await watch.look();
  assert.equal(await watch.failed, failure);
  assert.equal(watch.refusal(), failure);
});

Deno.test("a folder's disk has room, and what is not there cannot be looked at", async () => {
  await inFolder(async (dir) => {
    const { bytes, freeBytes } = await roomAt(dir);
    assert(bytes > 0 && freeBytes > 0 && freeBytes <= bytes);
    await assert.rejects(roomAt(`${dir}/nowhere`));
  });
});
