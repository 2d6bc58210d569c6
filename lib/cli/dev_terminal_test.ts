import assert from "node:assert/strict";
import { hearLog } from "../../worlds/heard_log.ts";
import { KhachapuriError } from "../errors.ts";
import { jsonTerminal, personsTerminal } from "./dev_terminal.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const SERVED = {
  at: Date.UTC(2026, 0, 1, 12, 3, 4, 56),
  method: "GET",
  target: "/a?b",
  status: 200,
  ms: 11.6,
  bytes: 5,
  reason: null,
};
const CLOSED = {
  at: SERVED.at,
  method: "GET",
  target: "/chat",
  ms: 10_000.4,
  inBytes: 7,
  outBytes: 9,
  reason: null,
};

function open(isColored = false) {
  let text = "";
  const decoder = new TextDecoder();
  const terminal = personsTerminal(
    (written) => text += decoder.decode(written),
    isColored,
    () => 800.5,
  );
  return { terminal, text: () => text };
}

Deno.test("a request is one line, with what was wrong at its end", () => {
  const { terminal, text } = open();
  terminal.onServed(SERVED);
  terminal.onServed({ ...SERVED, status: 502, reason: "it \x1b[2Jfailed\nhere" });
  assert.deepEqual(text().split("\n"), [
    "12:03:04.056 GET /a?b 200 12 ms 5 B",
    "12:03:04.056 GET /a?b 502 12 ms 5 B: it [2Jfailed here",
    "",
  ]);
});

Deno.test("a WebSocket's end is a line of its own, at the time of that end", () => {
  const { terminal, text } = open();
  terminal.onTunnelClosed(CLOSED);
  terminal.onTunnelClosed({ ...CLOSED, reason: "it \x1b[2Jwas\nended" });
  assert.deepEqual(text().split("\n"), [
    "12:03:14.056 GET /chat closed after 10000 ms, 7 B in, 9 B out",
    "12:03:14.056 GET /chat closed after 10000 ms, 7 B in, 9 B out: it [2Jwas ended",
    "",
  ]);
});

Deno.test("versions are told, and the same fault once", () => {
  const { terminal, text } = open();
  const fault = new KhachapuriError("invalid_program", "main is empty", { hints: ["write it"] });
  terminal.onBuilt(null, 1.2);
  terminal.onBuilt(fault, 1);
  terminal.onBuilt(fault, 1);
  terminal.onBuilt(null, 3);
  terminal.onBuilt(fault, 1);
  const told = ["cannot run: main is empty", "  write it"];
  assert.deepEqual(text().split("\n"), [
    "ready in 801 ms",
    ...told,
    "reloaded in 3 ms",
    ...told,
    "",
  ]);
  terminal.onBlind(new Error("too many files"));
  assert.match(text(), /changes are not seen any more: too many files\n {2}.*max_user_watches/);
});

Deno.test("a program's own lines are as it wrote them, dim where there are colours", () => {
  for (const [isColored, said] of [[false, "a\n"], [true, "\x1b[2ma\x1b[0m\n"]] as const) {
    const { terminal, text } = open(isColored);
    const ear = terminal.onRun();
    ear.hear(bytes("a\n"));
    ear.close();
    assert.equal(text(), said);
  }
  const { terminal, text } = open(true);
  terminal.onServed(SERVED);
  assert.ok(text().includes("GET /a?b \x1b[32m200\x1b[0m "));
});

Deno.test("under --json all of it is lines of JSON", () => {
  const { log, lines } = hearLog();
  const terminal = jsonTerminal(log, () => 800);
  terminal.onBuilt(null, 1);
  const ear = terminal.onRun();
  ear.hear(bytes("why\n"));
  terminal.onServed(SERVED);
  terminal.onTunnelClosed(CLOSED);
  terminal.onBuilt(new KhachapuriError("invalid_program", "no main", { hints: ["add it"] }), 1);
  const told = lines.map((line) => {
    const { time: _, ...fields } = JSON.parse(line);
    return fields;
  });
  const { at: _, ...request } = { ...SERVED, ms: 12 };
  const { at: __, ...tunnel } = { ...CLOSED, ms: 10_000 };
  assert.deepEqual(told, [
    { level: "info", message: "ready in 800 ms" },
    { level: "info", message: "stderr", text: "why" },
    { level: "info", message: "request", ...request },
    { level: "info", message: "tunnel closed", ...tunnel },
    { level: "warn", message: "cannot run: no main", hints: ["add it"] },
  ]);
});

Deno.test("nothing that a stranger sends or a program repeats drives the terminal", () => {
  const { terminal, text } = open();
  const evil = "a\x1b]0;title\x07b\x1b[2Jc\x9b2Jd\u202e\re";
  const ear = terminal.onRun();
  ear.hear(bytes(`${evil}\n`));
  ear.close();
  terminal.onServed({ ...SERVED, target: `/${evil}`, reason: evil });
  terminal.onTunnelClosed({ ...CLOSED, target: `/${evil}`, reason: evil });
  terminal.onBuilt(new KhachapuriError("invalid_program", evil, { hints: [evil] }), 1);
  terminal.onBlind(new Error(evil));
  // deno-lint-ignore no-control-regex -- control characters are what must not be there
  assert.doesNotMatch(text(), /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]/);
  assert.equal(text().match(/a\]0;titleb\[2Jc2Jde/g)?.length, 8);
});
