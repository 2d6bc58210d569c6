import assert from "node:assert/strict";
import { join } from "node:path";
import { hearLog } from "../../../worlds/heard_log.ts";
import { makeFolder } from "../../../worlds/home.ts";
import { PROVIDER } from "../../../worlds/routes.ts";
import { type Config, parseConfig, type ProviderConfig, requireProvider } from "../../config.ts";
import { KhachapuriError } from "../../errors.ts";
import { type Handle, listen } from "./listener.ts";

const GRACE_MS = 10_000;
const hello: Handle = () => Promise.resolve(new Response("hello"));

function configOf(settings: Partial<ProviderConfig> = {}, home = "/nowhere") {
  const provider = {
    name: "provider.test",
    address: PROVIDER.address,
    listen: "127.0.0.1:0",
    webDomain: "https://provider.test",
    price: "1000",
    terms: ["terms.txt"],
    stateDir: "state",
    keyFile: "keys.json",
    ...settings,
  };
  const config: Config = parseConfig({ provider }, home);
  return [config, requireProvider(config)] as const;
}

async function open(handle: Handle) {
  const { log, ...heard } = hearLog();
  const listener = await listen(...configOf(), handle, log);
  return { listener, ...heard };
}

const bodyOf = async (url: string) => await (await fetch(url)).text();

/** The system's socket, whose end a test can bring about; how long one waits does not matter. */
function breakableServe() {
  const { serve } = Deno;
  const { setTimeout } = globalThis;
  type Options = Deno.ServeTcpOptions & Partial<Deno.TlsCertifiedKeyPem>;
  const opened: Options[] = [];
  let breakOff = (_: Error): Promise<void> => Promise.resolve();
  let listening = Promise.withResolvers<void>();
  /** Thrown instead of listening, once each. */
  const refusals: Error[] = [];
  const replaced = (options: Options, handler: Deno.ServeHandler<Deno.NetAddr>) => {
    opened.push(options);
    const refusal = refusals.shift();
    if (refusal) throw refusal;
    listening.resolve();
    listening = Promise.withResolvers();
    const { cert: _cert, key: _key, ...plain } = options;
    const server = serve(plain, handler);
    const finished = Promise.withResolvers<void>();
    server.finished.then(finished.resolve);
    breakOff = async (error) => {
      finished.promise.catch(() => {});
      // The port is free, as it is when the system's accept loop has failed.
      await server.shutdown();
      finished.reject(error);
    };
    return {
      addr: server.addr,
      finished: finished.promise,
      shutdown: () => server.shutdown(),
    };
  };
  Object.defineProperty(Deno, "serve", { value: replaced, configurable: true, writable: true });
  // The listener's own timer keeps no process alive.
  const alive = setInterval(() => {}, GRACE_MS);
  globalThis.setTimeout = ((callback: () => void) => setTimeout(callback)) as typeof setTimeout;
  return {
    opened,
    refusals,
    /** Resolves when somebody listens again. */
    listening: () => listening.promise,
    breakOff: (error: Error) => breakOff(error),
    [Symbol.dispose]() {
      clearInterval(alive);
      Object.defineProperty(Deno, "serve", { value: serve, configurable: true, writable: true });
      globalThis.setTimeout = setTimeout;
    },
  };
}

Deno.test("it listens where it is told, and hands over each request and who sent it", async () => {
  const { listener } = await open(async (request, remoteAddress) =>
    new Response(`${request.method} ${remoteAddress} ${await request.text()}`, { status: 201 })
  );
  assert.match(listener.url, /^http:\/\/127\.0\.0\.1:[1-9][0-9]*$/);
  const response = await fetch(listener.url, { method: "POST", body: "data" });
  assert.deepEqual([response.status, await response.text()], [201, "POST 127.0.0.1 data"]);
  await listener.stop(GRACE_MS);
});

Deno.test("a port that somebody has cannot be listened on", async () => {
  const { listener } = await open(hello);
  const { host } = new URL(listener.url);
  const { log } = hearLog();
  await assert.rejects(listen(...configOf({ listen: host }), hello, log), Deno.errors.AddrInUse);
  await listener.stop(GRACE_MS);
});

Deno.test("it serves TLS with the files of its home", async () => {
  using sockets = breakableServe();
  await using folder = await makeFolder();
  await Deno.writeTextFile(join(folder.dir, "cert.pem"), "a certificate");
  await Deno.writeTextFile(join(folder.dir, "key.pem"), "its key");
  const { log } = hearLog();
  const tls = { cert: "cert.pem", key: "key.pem" };
  const listener = await listen(...configOf({ tls }, folder.dir), hello, log);
  const [{ cert, key }] = sockets.opened as [Deno.TlsCertifiedKeyPem];
  assert.deepEqual([cert, key], ["a certificate", "its key"]);
  assert.match(listener.url, /^https:\/\/127\.0\.0\.1:[1-9][0-9]*$/);
  await listener.stop(GRACE_MS);
});

Deno.test("when connections are no longer accepted, it listens again at the same place", async () => {
  using sockets = breakableServe();
  const { listener, lines, logged } = await open(hello);
  for (const attempts of [1, 3]) {
    for (let refused = 1; refused < attempts; refused++) {
      sockets.refusals.push(new Deno.errors.AddrInUse("still"));
    }
    const listening = sockets.listening();
    const broken = logged("connections are not accepted any more, listening again");
    await sockets.breakOff(new Error("too many open files"));
    assert.equal((await broken).level, "error");
    await listening;
    assert.equal(await bodyOf(listener.url), "hello");
  }
  assert.equal(lines.filter((line) => line.includes("cannot listen yet")).length, 2);
  await listener.stop(GRACE_MS);
  await assert.rejects(fetch(listener.url), "its last socket is open");
});

Deno.test("after its end it listens no more, whatever happens to the socket", async () => {
  using sockets = breakableServe();
  const { listener, logged } = await open(hello);
  const broken = logged("connections are not accepted any more, listening again");
  await sockets.breakOff(new Error("too many open files"));
  await broken;
  // While it waits to listen again.
  await listener.stop(GRACE_MS);
  for (const _ of [1, 2, 3]) await new Promise<void>((resolve) => setTimeout(resolve));
  assert.equal(sockets.opened.length, 1);
});

/** A listener with a call under way, which `answer` ends. */
async function openUnderWay() {
  const begun = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<Response>();
  const { listener } = await open(() => {
    begun.resolve();
    return answer.promise;
  });
  const call = bodyOf(listener.url);
  await begun.promise;
  return { listener, answer: answer.resolve, call };
}

Deno.test("the end waits for calls under way, and takes no new ones", async () => {
  const { listener, answer, call } = await openUnderWay();
  let isStopped = false;
  const stopped = listener.stop(GRACE_MS).then(() => isStopped = true);
  await assert.rejects(fetch(listener.url));
  assert.ok(!isStopped);
  answer(new Response("late"));
  assert.equal(await call, "late");
  await stopped;
});

Deno.test("a call that does not end keeps nobody longer than its grace", async () => {
  const { listener, answer, call } = await openUnderWay();
  await listener.stop(1);
  answer(new Response("much later"));
  assert.equal(await call, "much later");
});

Deno.test("an answer cut off by a program or a caller is worth no line that one must read", async () => {
  const cases: [Error, string, string][] = [
    [new KhachapuriError("program_timeout", "too long"), "debug", "program_timeout"],
    [new KhachapuriError("invalid_input", "the caller reads too slowly"), "debug", "invalid_input"],
    [new TypeError("not foreseen"), "error", "internal"],
  ];
  for (const [error, level, code] of cases) {
    const { listener, logged } = await open(() => {
      const body = new ReadableStream({
        start: (controller) => controller.enqueue(new Uint8Array(1)),
        pull: (controller) => controller.error(error),
      });
      return Promise.resolve(new Response(body));
    });
    const line = logged("an answer was cut off");
    await assert.rejects(bodyOf(listener.url));
    const fields = await line;
    assert.equal(fields.level, level);
    assert.equal((fields.error as { code: string }).code, code);
    await listener.stop(GRACE_MS);
  }
});
