import assert from "node:assert/strict";
import type { ServerEvent } from "../server/life.ts";
import { instanceEars } from "./ears.ts";

const output = (instance: number, text: string): ServerEvent => ({
  kind: "output",
  instance,
  bytes: new TextEncoder().encode(text),
});

Deno.test("each instance has an ear of its own, until it ends", () => {
  const heard: string[] = [];
  let ears = 0;
  const tell = instanceEars(() => {
    const ear = `ear ${ears++}`;
    return {
      hear: (bytes) => void heard.push(`${ear}: ${new TextDecoder().decode(bytes)}`),
      close: () => void heard.push(`${ear} closed`),
    };
  });
  tell({ kind: "started", instance: 1, readyMs: 1 });
  tell(output(1, "a"));
  tell(output(2, "b"));
  tell(output(1, "c"));
  tell({ kind: "ended", instance: 1, why: "idle", record: null });
  tell({ kind: "ended", instance: 3, why: "crashed", record: null });
  tell(output(1, "d"));
  assert.deepEqual(heard, ["ear 0: a", "ear 1: b", "ear 0: c", "ear 0 closed", "ear 2: d"]);
});
