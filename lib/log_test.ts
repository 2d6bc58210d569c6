import assert from "node:assert/strict";
import { KhachapuriError } from "./errors.ts";
import { FloodGuard } from "./flood_guard.ts";
import { createLog, type LogOptions } from "./log.ts";

function capture(options: Partial<LogOptions> = {}) {
  const lines: string[] = [];
  const write = (line: string) => void lines.push(line);
  return { lines, log: createLog({ write, isTerminal: false, now: () => 0, ...options }) };
}

Deno.test("createLog() writes one JSON object a line", () => {
  const { lines, log } = capture();
  log.with({ cid: "bafy" }).info("run ended", { credits: 3n, url: new URL("http://a/b?c=d") });
  assert.equal(lines.length, 1);
  assert.ok(lines[0]!.endsWith("}\n"));
  assert.deepEqual(JSON.parse(lines[0]!), {
    time: "1970-01-01T00:00:00.000Z",
    level: "info",
    message: "run ended",
    cid: "bafy",
    credits: "3",
    url: "http://a/…",
  });
});

Deno.test("createLog() drops lines below its level", () => {
  const { lines, log } = capture({ level: "warn" });
  log.info("quiet");
  log.error("loud");
  assert.equal(lines.length, 1);
});

Deno.test("createLog() never prints what is named like a secret", () => {
  const { lines, log } = capture();
  log.error("odd", {
    privateKey: "0xdead",
    headers: { authorization: "Bearer dead" },
    request: { cookie: "dead", permit: { signature: "dead" } },
    rpc: "https://user:dead@rpc.example/v3/dead?apikey=dead",
    body: new TextEncoder().encode("dead"),
  });
  assert.ok(!lines[0]!.includes("dead"), lines[0]);
  assert.equal(JSON.parse(lines[0]!).body, "4 bytes");
});

Deno.test("createLog() reduces an error to code and messages", () => {
  const { lines, log } = capture();
  const cause = new Error("connect https://rpc.example/?key=abc\nstack");
  log.warn("no chain", { error: new KhachapuriError("chain_unavailable", "gone", { cause }) });
  assert.deepEqual(JSON.parse(lines[0]!).error, {
    code: "chain_unavailable",
    message: "gone",
    cause: "connect https://rpc.example/…",
  });
});

Deno.test("createLog() on a terminal keeps foreign text inside its own line", () => {
  const { lines, log } = capture({ isTerminal: true });
  log.info("served", { path: "/a\n00:00:00.000 error fake\x1b[2J", status: 200 });
  assert.equal(
    lines[0],
    '00:00:00.000 info  served path="/a\\n00:00:00.000 error fake\\u001b[2J" status=200\n',
  );
});

Deno.test("a message that floods the log is written in part, and how many were not is told", () => {
  const later: (() => void)[] = [];
  const guard = new FloodGuard(() => 0, (callback) => void later.push(callback));
  const { lines, log } = capture({ guard, level: "debug" });
  for (let at = 0; at < 500; at++) log.with({ at }).error("request failed");
  assert.equal(lines.length, 50);
  later[0]!();
  const { level, message, suppressed } = JSON.parse(lines.at(-1)!);
  assert.deepEqual([level, message, suppressed], ["error", "request failed", 450]);
  for (let at = 0; at < 100; at++) log.debug("run ended");
  assert.equal(lines.length, 151, "who asks for details gets them");
});

Deno.test("no text of a stranger's makes a line long", () => {
  const { lines, log } = capture();
  log.warn("it was refused", { said: "x".repeat(1_000_000), error: new Error("y".repeat(1e6)) });
  assert.ok(lines[0]!.length < 10_000, String(lines[0]!.length));
});
