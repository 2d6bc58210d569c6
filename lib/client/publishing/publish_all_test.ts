import assert from "node:assert/strict";
import { KhachapuriError } from "../../errors.ts";
import { carBytes } from "../../ipfs/car.ts";
import { importFile } from "../../ipfs/dag.ts";
import type { Destination } from "./destination.ts";
import { publishAll, type Sent } from "./publish_all.ts";

const DAGS = [importFile(new Uint8Array(2_000).fill(1)), importFile(new Uint8Array(500).fill(2))];
const ALL = DAGS.reduce((sum, dag) => sum + carBytes(dag), 0);

function place(name: string, events: string[], fields: Partial<Destination> = {}): Destination {
  return {
    name,
    flags: `--to ${name}`,
    reach: "network",
    order: "first",
    publish(dag, { onSent }) {
      events.push(`${name} ${DAGS.indexOf(dag)}`);
      onSent(carBytes(dag));
      return Promise.resolve();
    },
    ...fields,
  };
}

const failing: Destination["publish"] = () =>
  Promise.reject(new KhachapuriError("ipfs_unavailable", "away"));

Deno.test("every place gets every dag in order, one that fails keeps no other from it", async () => {
  const events: string[] = [];
  const sent: Sent[] = [];
  const places = [
    place("second", events, { order: "second" }),
    place("a", events),
    place("bad", events, { publish: failing }),
    place("b", events),
  ];
  const copies = await publishAll(places, DAGS, { onSent: (each) => sent.push(each) });
  assert.deepEqual(copies.map(({ to, error }) => [to.name, error?.code ?? null]), [
    ["a", null],
    ["bad", "ipfs_unavailable"],
    ["b", null],
    ["second", null],
  ]);
  assert.deepEqual(events.slice(-2), ["second 0", "second 1"], "after the first copies");
  assert.deepEqual(events.filter((event) => event.startsWith("a")), ["a 0", "a 1"]);
  assert.equal(sent[0]!.bytesOfAll, 3 * ALL, "who fetches by itself is sent nothing");
  assert.deepEqual(sent.at(-1)!.pending, []);
});

Deno.test("a second copy is asked for by nobody when there is no first, and alone when it is the only one", async () => {
  const events: string[] = [];
  const second = place("second", events, { order: "second" });
  const none = await publishAll([place("bad", events, { publish: failing }), second], DAGS, {
    onSent() {},
  });
  assert.deepEqual(events, []);
  assert.match(none[1]!.error!.message, /no other place has it/);
  const [alone] = await publishAll([second], DAGS, { onSent() {} });
  assert.equal(alone!.error, null);
});

Deno.test("whoever ends it gets its reason", async () => {
  const controller = new AbortController();
  const hung = place("hung", [], {
    publish: (_, { signal }) =>
      new Promise((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason))),
  });
  const { signal } = controller;
  const publishing = publishAll([hung], DAGS, { onSent() {}, signal });
  controller.abort(new Error("enough"));
  await assert.rejects(publishing, /enough/);
});
