/** `dev` as its developer meets it: the command line as a process of its own, and curl. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { commandUnderTest } from "../worlds/command_line.ts";
import { startDev } from "../worlds/dev_process.ts";
import { inFolder, makeFolder } from "../worlds/home.ts";
import { childrenOf, livingProcesses } from "../worlds/processes.ts";

async function curl(...args: string[]): Promise<string> {
  const { stdout } = await new Deno.Command("curl", { args: ["-s", "-S", ...args] }).output();
  return new TextDecoder().decode(stdout);
}

const script = (text: string) => `#!/bin/sh\n${text}\n`;
const says = (text: string) => script(`echo ${text}`);

async function write(dir: string, text: string, name = "main"): Promise<void> {
  await Deno.writeTextFile(join(dir, name), text, { mode: 0o755 });
}

Deno.test("a program is served at every path, by the provider's own HTTP, and told in lines", async () => {
  await inFolder(async (dir) => {
    const main =
      'echo "heard $REQUEST_METHOD" >&2; echo "$SERVER_NAME $PATH_INFO $QUERY_STRING"; cat';
    await write(dir, script(main));
    await using dev = await startDev([dir]);
    assert.match(await dev.line(/ready/), /^ready in \d+ ms$/);
    assert.equal(await curl(dev.url), "127.0.0.1 / \n");
    assert.equal(await dev.line(/heard/), "heard GET");
    const served = /^\d\d:\d\d:\d\d\.\d{3} GET \/ 200 \d+ ms 13 B$/;
    assert.match(await dev.line(/ GET /), served);
    const head = await curl(
      "-i",
      "-d",
      "body",
      "-H",
      "Host: here.localhost:1",
      `${dev.url}/a%20b?c=d`,
    );
    assert.match(head, /^HTTP\/1\.1 200 OK\r\n/);
    assert.match(head, /\r\nx-content-type-options: nosniff\r\n/);
    assert.match(head, /\r\ncache-control: no-store\r\n/);
    assert.match(head, /\r\n\r\nhere\.localhost \/a b c=d\nbody$/);
    assert.match(await dev.line(/ POST /), / POST \/a%20b\?c=d 200 \d+ ms \d+ B$/);
    const preflight = ["-i", "-X", "OPTIONS", "-H", "Origin: http://localhost:5173"];
    const asks = ["-H", "Access-Control-Request-Method: PUT", dev.url];
    assert.match(await curl(...preflight, ...asks), /^HTTP\/1\.1 204 [^]*allow-methods: PUT/);
  });
});

Deno.test("who names another host, and pages of other sites, are refused and run nothing", async () => {
  await inFolder(async (dir) => {
    await write(dir, script('echo ran >&2; echo "$TOKEN"'));
    await using dev = await startDev(["--env", "TOKEN=x1", "--allow-host", "mine.test", dir]);
    const status = async (...headers: string[]) => {
      const fields = headers.flatMap((header) => ["-H", header]);
      return (await curl("-o", "/dev/null", "-w", "%{http_code}", "-d", "a", ...fields, dev.url));
    };
    assert.equal(await status("Host: evil.test:1"), "421");
    assert.match(await dev.line(/ POST /), /421 .*: dev does not answer as evil\.test$/);
    assert.equal(await status("Sec-Fetch-Site: cross-site", "Origin: https://evil.test"), "403");
    assert.match(await dev.line(/ POST /), /403 .*: dev takes no requests from pages of evil/);
    assert.doesNotMatch(dev.said(), /^ran$/m);
    assert.equal(await status("Host: mine.test:1"), "200");
    const page = ["Sec-Fetch-Site: same-site", "Origin: http://localhost:5173"];
    assert.equal(await status(...page), "200");
    await dev.line(/^ran$/);
  });
});

Deno.test("what could not be read as a request leaves a line, too", async () => {
  await inFolder(async (dir) => {
    await write(dir, says("one"));
    await using dev = await startDev([dir]);
    const { hostname, port } = new URL(dev.url);
    for (
      const text of [
        "no request\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
      ]
    ) {
      const connection = await Deno.connect({ hostname, port: Number(port) });
      await connection.write(new TextEncoder().encode(text));
      await connection.closeWrite();
      await dev.line(/^[\d:.]{12} 400: /);
      connection.close();
    }
  });
});

Deno.test("what is saved is served from the next request on, however it is saved", async () => {
  await inFolder(async (dir) => {
    await write(dir, says("one"));
    await using dev = await startDev([dir]);
    await dev.line(/ready/);
    assert.equal(await curl(dev.url), "one\n");
    await write(dir, says("two"));
    await dev.line(/^reloaded in \d+ ms$/);
    assert.equal(await curl(dev.url), "two\n");
    await write(dir, says("three"), "main.new");
    await Deno.rename(join(dir, "main.new"), join(dir, "main"));
    await dev.line(/^reloaded/);
    assert.equal(await curl(dev.url), "three\n");
    await Deno.mkdir(join(dir, "lib/deep"), { recursive: true });
    await write(join(dir, "lib/deep"), says("four"), "tool");
    await write(dir, script("exec lib/deep/tool"));
    await dev.line(/^reloaded/);
    assert.equal(await curl(dev.url), "four\n");
    await write(join(dir, "lib/deep"), says("five"), "tool");
    await dev.line(/^reloaded/);
    assert.equal(await curl(dev.url), "five\n");
  });
});

Deno.test("a program that cannot run answers why, in a provider's words, until it is mended", async () => {
  await inFolder(async (dir) => {
    await write(dir, "#!/no/such/thing\n");
    await using dev = await startDev([dir]);
    const fault = await dev.line(/cannot run/);
    const { error, message } = JSON.parse(await curl(dev.url));
    assert.equal(error, "invalid_program");
    assert.equal(fault, `cannot run: ${message}`);
    assert.match(message, /^the interpreter of main, \/no\/such\/thing,/);
    assert.match(await dev.line(/ GET /), /422 \d+ ms \d+ B: the interpreter of main/);
    await write(dir, says("mended"));
    await dev.line(/reloaded/);
    assert.equal(await curl(dev.url), "mended\n");
    await Deno.remove(join(dir, "main"));
    await dev.line(/cannot run: .* holds no files$/);
    assert.equal(JSON.parse(await curl(dev.url)).error, "invalid_program");
    await write(dir, says("back"));
    await dev.line(/reloaded/);
    assert.equal(await curl(dev.url), "back\n");
    await Deno.remove(dir, { recursive: true });
    await dev.line(/cannot run: no folder at/);
    await Deno.mkdir(dir, { mode: 0o755 });
    await write(dir, says("anew"));
    await dev.line(/reloaded/);
    assert.equal(await curl(dev.url), "anew\n");
  });
});

Deno.test("requests under way end on the program that they began on, two at a time", async () => {
  await inFolder(async (dir) => {
    const waits = 'echo begun >&2; read go; echo "old $go"';
    await write(dir, script(waits));
    await using dev = await startDev([dir]);
    await dev.line(/ready/);
    const slow = [begin(dev.url), begin(dev.url)];
    for (const _ of slow) await dev.line(/begun/);
    await write(dir, says("new"));
    await dev.line(/reloaded/);
    assert.equal(await curl(dev.url), "new\n");
    for (const { finish } of slow) assert.equal(await finish("go\n"), "old go\n");
  });
});

/** A request whose body is still to come. */
function begin(url: string) {
  const args = ["-s", "-S", "-N", "-T", "-", "-X", "POST", url];
  const child = new Deno.Command("curl", { args, stdin: "piped", stdout: "piped" }).spawn();
  return {
    async finish(body: string): Promise<string> {
      const writer = child.stdin.getWriter();
      await writer.write(new TextEncoder().encode(body));
      await writer.close();
      return new TextDecoder().decode((await child.output()).stdout);
    },
  };
}

Deno.test("the environment is read anew, and never told", async () => {
  await inFolder(async (dir) => {
    await using outside = await makeFolder();
    const file = join(outside.dir, ".env");
    await write(dir, script('echo "${#TOKEN} $MODE"'));
    await Deno.writeTextFile(file, "TOKEN=verysecret\n");
    await using dev = await startDev(["--env-file", file, "--env", "MODE=x", dir]);
    assert.equal(await curl(dev.url), "10 x\n");
    await Deno.writeTextFile(`${file}.new`, "TOKEN=othersecret2\n");
    await Deno.rename(`${file}.new`, file);
    await dev.line(/reloaded/);
    assert.equal(await curl(dev.url), "12 x\n");
    await Deno.writeTextFile(file, "verysecret\n");
    await dev.line(/cannot run: .*line 1: a variable is given as NAME=VALUE/);
    assert.equal(JSON.parse(await curl(dev.url)).error, "invalid_input");
    await Deno.writeTextFile(file, "TOKEN=short\n");
    await dev.line(/reloaded/);
    assert.equal(await curl(dev.url), "5 x\n");
    assert.doesNotMatch(dev.said(), /secret/);
  });
});

Deno.test("an environment's file in the program's folder is seen, though it is not packed", async () => {
  await inFolder(async (dir) => {
    const file = join(dir, ".env");
    await write(dir, script('cat .env 2>/dev/null; echo "$TOKEN"'));
    await Deno.writeTextFile(join(dir, ".khachapuriignore"), ".env\n");
    await Deno.writeTextFile(file, "TOKEN=one\n");
    await using dev = await startDev(["--env-file", file, dir]);
    await dev.line(/ready/);
    assert.equal(await curl(dev.url), "one\n");
    await Deno.writeTextFile(file, "TOKEN=two\n");
    await dev.line(/reloaded/);
    assert.equal(await curl(dev.url), "two\n");
  });
});

Deno.test("under --json all that is told is lines of JSON", async () => {
  await inFolder(async (dir) => {
    await write(dir, script("echo why >&2; exit 1"));
    await using dev = await startDev(["--json", dir]);
    await curl(`${dev.url}/a`);
    await dev.line(/"request"/);
    const lines = dev.said().trim().split("\n").map((line) => JSON.parse(line));
    const find = (message: string) => lines.find((line) => line.message === message);
    assert.equal(find("stderr").text, "why");
    const { target, status, reason } = find("request");
    assert.deepEqual([target, status], ["/a", 502]);
    assert.match(reason, /^the program exited with 1/);
  });
});

Deno.test("cgi programs, large bodies and failing ones are as at a provider", async () => {
  await inFolder(async (dir) => {
    const main = `case $PATH_INFO in
/fail) echo why >&2; exit 3 ;;
/late) sleep 60 ;;
*) printf 'Status: 201\\n\\n'; echo "$CONTENT_LENGTH $(wc -c)" ;;
esac`;
    await write(dir, script(main));
    await Deno.writeFile(join(dir, "big"), new Uint8Array(8_000_000));
    await using dev = await startDev(["--interface", "cgi", "--timeout", "5", dir]);
    const sent = ["--data-binary", `@${join(dir, "big")}`, "-H", "Transfer-Encoding: chunked"];
    assert.equal(await curl("-w", "%{http_code}", ...sent, dev.url), "8000000 8000000\n201");
    await dev.line(/ POST /);
    assert.equal(JSON.parse(await curl(`${dev.url}/fail`)).error, "program_failed");
    assert.match(await dev.line(/ GET /), / \/fail 502 \d+ ms \d+ B: the program exited with 3/);
    assert.equal(JSON.parse(await curl(`${dev.url}/late`)).error, "program_timeout");
    assert.match(await dev.line(/ GET /), / \/late 504 \d+ ms \d+ B: .*longer than 5000 ms/);
    const large = join(dir, "large");
    await Deno.writeFile(large, new Uint8Array());
    await Deno.truncate(large, 200_000_000);
    const refused = await curl("--data-binary", `@${large}`, dev.url);
    assert.equal(JSON.parse(refused).error, "body_too_large");
  });
});

Deno.test("a program calls what --egress lists, where --connect-to says, and nothing else", async () => {
  await using upstream = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
    return new Response("from upstream\n");
  });
  const { port } = upstream.addr;
  await inFolder(async (dir) => {
    await write(dir, script('exec curl -sS "http://$QUERY_STRING/"'));
    const to = ["--egress", "api.test:80", "--connect-to", `api.test:80:127.0.0.1:${port}`];
    await using dev = await startDev([...to, dir]);
    assert.equal(await curl(`${dev.url}/?api.test`), "from upstream\n");
    assert.match(await dev.line(/ GET /), /\?api\.test 200 \d+ ms 14 B$/);
    assert.equal(JSON.parse(await curl(`${dev.url}/?other.test`)).error, "program_failed");
    assert.match(await dev.line(/ GET /), /\?other\.test 502 .*asked for other\.test/);
  });
});

Deno.test("it ends on SIGINT and SIGTERM, with all that it started and made", async () => {
  await inFolder(async (dir) => {
    await write(dir, script("echo begun >&2; exec sleep 60"));
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      await using temporary = await makeFolder();
      const dev = await startDev([dir], temporary.dir);
      const call = curl(dev.url);
      await dev.line(/begun/);
      const children = await childrenOf(dev.pid);
      assert.notEqual(children.length, 0);
      assert.equal((await Array.fromAsync(Deno.readDir(temporary.dir))).length, 1);
      assert.equal(await dev.end(signal), 0);
      await call;
      assert.deepEqual(await Array.fromAsync(Deno.readDir(temporary.dir)), []);
      assert.equal(await livingProcesses(temporary.dir), "");
    }
  });
});

Deno.test("what keeps it from serving is told, and it ends", async () => {
  await inFolder(async (dir) => {
    await assert.rejects(startDev([join(dir, "nothing")]), /no folder at .* \(not_found\)/);
    await write(dir, says("one"));
    const missing = ["--env-file", join(dir, "none"), dir];
    await assert.rejects(startDev(missing), /none can't be read: it does not exist \(not_found\)/);
    await using dev = await startDev([dir]);
    const { host } = new URL(dev.url);
    const [program, ...flags] = commandUnderTest();
    await using home = await makeFolder();
    const taken = new Deno.Command(program!, {
      args: [...flags, "dev", "--home", home.dir, "--listen", host, dir],
    });
    const { code, stderr } = await taken.output();
    assert.equal(code, 3);
    assert.match(new TextDecoder().decode(stderr), /somebody else has it[^]*--listen HOST:PORT/);
  });
});
