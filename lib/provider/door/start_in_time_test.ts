import assert from "node:assert/strict";
import { hearLog } from "../../../worlds/heard_log.ts";
import { KhachapuriError } from "../../errors.ts";
import { type Patience, startInTime } from "./start_in_time.ts";

const down = new KhachapuriError("chain_unavailable", "the node is down");
const refused = new KhachapuriError("access_denied", "0x1 may not settle", {
  data: { operator: "0x1" },
});

function patience(signal = new AbortController().signal) {
  const [pauses, told]: [number[], (string | null)[]] = [[], []];
  const patient: Patience = {
    signal,
    onWait: (what) => told.push(what),
    pause: (ms) => Promise.resolve(void pauses.push(ms)),
  };
  return { patient, pauses, told };
}

Deno.test("what only time brings is waited for, and told once until it is something else", async () => {
  const { log, lines } = hearLog();
  const { patient, pauses, told } = patience();
  const fates = [down, refused, refused, refused, null];
  const started = await startInTime(
    () => {
      const error = fates.shift();
      return error ? Promise.reject(error) : Promise.resolve("started");
    },
    patient,
    log,
  );
  assert.equal(started, "started");
  assert.deepEqual(told, ["the node is down", "0x1 may not settle", null]);
  assert.deepEqual(pauses, [5_000, 5_000, 10_000, 20_000]);
  assert.equal(lines.length, 2);
  assert.match(lines[1]!, /waiting: 0x1 may not settle/);
});

Deno.test("what no time mends ends a start, and so does whoever stops it", async () => {
  const { log } = hearLog();
  for (const code of ["invalid_config", "access_denied", "sandbox_unavailable"] as const) {
    const { patient } = patience();
    const fails = () => Promise.reject(new KhachapuriError(code, "it is wrong"));
    await assert.rejects(startInTime(fails, patient, log), { code });
  }
  const stop = new AbortController();
  const { patient, told } = patience(stop.signal);
  const stopping = { ...patient, pause: () => Promise.resolve(stop.abort()) };
  assert.equal(await startInTime(() => Promise.reject(down), stopping, log), null);
  assert.deepEqual(told, ["the node is down"]);
});
