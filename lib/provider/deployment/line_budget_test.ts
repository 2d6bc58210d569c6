import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { RUN } from "../../../worlds/logged_run.ts";
import type { CidText } from "../../cid.ts";
import {
  SHARED_LINE_BYTES_MAX,
  SHARED_LINES_BURST_BYTES_MAX,
  SHARED_LINES_BYTES_PER_SECOND_MAX,
} from "../../limits_of_logs.ts";
import { LineBudget } from "./line_budget.ts";
import { type LogLine, parseRun } from "./run_log.ts";

const cid = "bafya" as CidText;

const runLine = (number: number, stderr: string): LogLine => ({
  ...{ number, cid, isServers: false },
  text: JSON.stringify({ ...RUN, at: number, stderr }),
});
const serverLine = (number: number, bytes: number): LogLine => ({
  ...{ number, cid, isServers: true },
  text: "x".repeat(bytes),
});
const stderrOf = ({ text }: LogLine) => parseRun(text).stderr;

Deno.test("of a line so much is sent; its run is told whole, and what it wrote from the beginning", () => {
  const budget = new LineBudget(0, () => 0);
  const text = "a".repeat(64 * 1024);
  const control = "\u0001".repeat(64 * 1024);
  const { sent, upTo } = budget.take([runLine(1, text), runLine(2, control)])!;
  assert.deepEqual([sent.length, upTo, stderrOf(sent[0]!)], [2, 2, text]);
  const cut = stderrOf(sent[1]!);
  assert.ok(Buffer.byteLength(sent[1]!.text) <= SHARED_LINE_BYTES_MAX);
  assert.ok(cut.length > 8 * 1024 && control.startsWith(cut));
  assert.deepEqual({ ...parseRun(sent[1]!.text), stderr: "" }, { ...RUN, at: 2, stderr: "" });
  assert.equal(budget.takeShortened(), 0);
});

Deno.test("beyond so many bytes runs go without what they wrote, servers' rows not, and are counted", () => {
  let now = 0;
  const budget = new LineBudget(0, () => now);
  const full = serverLine(1, SHARED_LINES_BURST_BYTES_MAX);
  assert.equal(budget.take([full])!.sent.length, 1);
  const more = [runLine(2, "oops"), serverLine(3, 100), runLine(4, "")];
  const { sent, upTo } = budget.take(more)!;
  assert.deepEqual([sent.map(stderrOf), upTo], [["", ""], 4]);
  assert.deepEqual([budget.takeShortened(), budget.takeShortened()], [3, 0]);
  now += 1_000;
  const second = serverLine(5, SHARED_LINES_BYTES_PER_SECOND_MAX);
  assert.deepEqual(budget.take([second]), { sent: [second], upTo: 5 });
  assert.equal(stderrOf(budget.take([runLine(6, "oops")])!.sent[0]!), "");
});

Deno.test("lines that there were before wait until there is room, whole", () => {
  let now = 0;
  const budget = new LineBudget(3, () => now);
  const lines = [serverLine(2, SHARED_LINES_BURST_BYTES_MAX), runLine(3, "oops")];
  assert.equal(budget.take(lines)!.upTo, 2);
  assert.equal(budget.take(lines.slice(1)), null);
  now += 1_000;
  assert.equal(stderrOf(budget.take(lines.slice(1))!.sent[0]!), "oops");
  assert.equal(budget.takeShortened(), 0);
});
