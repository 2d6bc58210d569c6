import assert from "node:assert/strict";
import type { Sandbox } from "../../../sandbox/sandbox.ts";
import { requestOf, responseOf } from "../../../worlds/answers.ts";
import { PAYER } from "../../../worlds/calls.ts";
import { hearLog } from "../../../worlds/heard_log.ts";
import { LIMITS, type PlayedRun, playRun } from "../../../worlds/sandbox/played_run.ts";
import { sampleSpec } from "../../../worlds/spec/sample_spec.ts";
import type { Address } from "viem";
import type { CidText } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import type { Deployment } from "../deployment/deployment.ts";
import type { Workplace } from "../program/workplace.ts";
import { createDevHandle, type ServedRequest } from "./handle.ts";
import type { ProgramVersion } from "./program.ts";

const URL_OF_ALL = "http://localhost:8787";

function playedAt(sandbox: Sandbox): Workplace {
  const over = () => Promise.resolve();
  return {
    take: () => sandbox,
    refusal: () => null,
    isQuiet: () => true,
    drain: over,
    close: over,
    view: () => null,
  };
}

/** A handle whose program the test plays. */
async function open(payer: Address | null = null) {
  const served: ServedRequest[] = [];
  const heard: string[] = [];
  const runs: PlayedRun[] = [];
  let users = 0;
  let fault: Error | null = null;
  const begun: ((run: PlayedRun) => void)[] = [];
  const deployment = { cid: "bafkqaaa" as CidText, spec: await sampleSpec() } as Deployment;
  const version: ProgramVersion = {
    deployment,
    workplace: playedAt({
      limits: LIMITS,
      run(request) {
        const run = playRun(request);
        runs.push(run);
        begun.shift()?.(run);
        return Promise.resolve(run.live);
      },
      close: () => Promise.resolve(),
    }),
    retire() {},
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const dev = createDevHandle({
    versions: {
      take() {
        if (fault) return Promise.reject(fault);
        users += 1;
        let isHeld = true;
        const release = () => {
          if (isHeld) users -= 1;
          isHeld = false;
        };
        return Promise.resolve({ version, release });
      },
    },
    payer,
    place: { command: "dev", connectTo: {} },
    allowedHosts: ["a.test"],
    origin: () => new URL(URL_OF_ALL),
    log: hearLog().log,
    onTunnelClosed() {},
    onUnread() {},
    onServed: (told) => void served.push(told),
    onRun: () => ({ hear: () => {}, close: () => void heard.push("closed") }),
  });
  return {
    served,
    heard,
    users: () => users,
    fail: (error: Error | null) => void (fault = error),
    [Symbol.dispose]: () => dev[Symbol.dispose](),
    async ask(path: string, asked = {}) {
      return responseOf(await dev.handle(requestOf(`${URL_OF_ALL}${path}`, asked)));
    },
    answer: (path: string, asked = {}) => dev.handle(requestOf(`${URL_OF_ALL}${path}`, asked)),
    run: () => new Promise<PlayedRun>((resolve) => begun.push(resolve)),
  };
}

Deno.test("a request is answered by the program, and told with its size and time", async () => {
  using dev = await open();
  const run = dev.run();
  const answer = dev.ask("/a/b?c");
  const { live, request, ...program } = await run;
  assert.match(String(request.argv.at(-1)), /^http:\/\/localhost:8787\/a\/b\?c$/);
  program.print("hello");
  program.exit();
  assert.equal(await (await answer).text(), "hello");
  const [{ at, ms, ...told }] = dev.served as [ServedRequest];
  assert.deepEqual(told, {
    method: "GET",
    target: "/a/b?c",
    status: 200,
    bytes: 5,
    reason: null,
  });
  assert.ok(at <= Date.now() && ms >= 0);
  await live.record;
  assert.deepEqual([dev.users(), dev.heard], [0, ["closed"]]);
});

Deno.test("why a program did not answer is told, and how one ended that did", async () => {
  using dev = await open();
  for (
    const [act, status, reason] of [
      [({ exit }: PlayedRun) => exit(3), 502, "the program exited with 3 and printed nothing"],
      [({ print, exit }: PlayedRun) => [print("x"), exit(4)], 200, "exit 4"],
      [({ print, crash }: PlayedRun) => [print("x"), crash(11)], 200, "ended by SIGSEGV"],
    ] as const
  ) {
    const run = dev.run();
    const answer = dev.ask("/");
    act(await run);
    await (await answer).text();
    const told = dev.served.at(-1)!;
    assert.deepEqual([told.status, told.reason], [status, reason]);
  }
  assert.equal(dev.users(), 0);
});

Deno.test("an answer that streams is told at its end, or when its caller goes", async () => {
  using dev = await open();
  for (const isLeft of [false, true]) {
    const run = dev.run();
    const answer = dev.ask("/");
    const program = await run;
    program.print("HTTP/1.1 200 OK\r\n\r\nfirst");
    const body = (await answer).body!.getReader();
    await body.read();
    const count = dev.served.length;
    if (isLeft) await body.cancel();
    else {
      program.print("last!");
      program.exit();
      while (!(await body.read()).done);
    }
    assert.equal(dev.served.length, count + 1);
  }
  assert.deepEqual(dev.served.map(({ bytes }) => bytes), [10, 5]);
  assert.match(dev.served[1]!.reason!, /the caller left/);
});

Deno.test("an answer that ends before it is whole is told to be cut off, and one to HEAD is not", async () => {
  using dev = await open();
  const ofGet = dev.run();
  const cut = dev.answer("/");
  const program = await ofGet;
  program.print("HTTP/1.1 200 OK\r\n\r\nfirst");
  const { body } = await cut;
  assert.ok(body !== null && !(body instanceof Uint8Array));
  // The run has ended by itself as the connection goes.
  program.exit();
  await body.cancel();
  assert.equal(dev.served.at(-1)!.reason, "cut off");
  const ofHead = dev.run();
  const whole = dev.ask("/", { method: "HEAD" });
  const { print, exit } = await ofHead;
  print("HTTP/1.1 200 OK\r\n\r\nfirst");
  exit();
  await (await whole).body?.cancel();
  assert.deepEqual([dev.served.at(-1)!.method, dev.served.at(-1)!.reason], ["HEAD", null]);
});

Deno.test("what keeps the program from running is the answer, as a provider's", async () => {
  using dev = await open();
  dev.fail(new KhachapuriError("invalid_program", "main is empty", { hints: ["write it"] }));
  const answer = await dev.ask("/");
  assert.equal(answer.status, 422);
  const said = { error: "invalid_program", message: "main is empty", hints: ["write it"] };
  assert.deepEqual(await answer.json(), said);
  assert.equal(dev.served[0]!.reason, "main is empty");
  dev.fail(new Error("not foreseen"));
  assert.equal((await dev.ask("/")).status, 500);
});

Deno.test("what is too large, and preflights, run nothing and hold nothing", async () => {
  using dev = await open();
  const long = await dev.ask("/", { headers: { "x-a": "b".repeat(200_000) } });
  assert.equal(long.status, 431);
  const headers = { origin: "https://a.test", "access-control-request-method": "PUT" };
  const preflight = await dev.ask("/", { method: "OPTIONS", headers });
  assert.equal(preflight.headers.get("access-control-allow-methods"), "PUT");
  assert.equal(dev.users(), 0);
});

Deno.test("a caller that is played pays, so that its answers are its own and kept under a key", async () => {
  using dev = await open(PAYER);
  const headers = { "idempotency-key": "one" };
  const run = dev.run();
  const answer = dev.ask("/", { headers });
  const program = await run;
  program.print("HTTP/1.1 200 OK\r\nCache-Control: public\r\n\r\nonce");
  program.exit();
  const first = await answer;
  assert.equal(first.headers.get("cache-control"), "no-store");
  await first.text();
  const again = await dev.ask("/", { headers });
  assert.equal(again.headers.get("idempotency-replayed"), "true");
  assert.equal(await again.text(), "once");
});
