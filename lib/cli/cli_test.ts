import assert from "node:assert/strict";
import { KhachapuriError } from "../errors.ts";
import { runCli } from "./cli.ts";
import { optionsOf } from "./arguments.ts";
import { type Command, type CommandEntry, defineCommand } from "./command.ts";
import { fakeWorld } from "../../worlds/terminal.ts";
import { COMMANDS } from "./table.ts";

const greet = defineCommand({
  usage: "NAME",
  examples: ["greet Nino --times 2"],
  options: {
    times: { type: "string", value: "N", description: "how often" },
    loud: { type: "boolean", short: "l", description: "with an exclamation mark" },
    title: { type: "string", value: "TEXT", multiple: true, description: "a title" },
  },
  positionals: { min: 1, max: 1 },
  run({ out, home, flags }, { options, positionals }) {
    const mark = options.loud ? "!" : ".";
    const facts = { name: positionals[0], options, home, gateway: flags.gateway, coins: 5n };
    out.progress("greeting");
    out.result(facts, [`hello ${positionals[0]} ${options.times ?? "once"}${mark}`]);
    return Promise.resolve();
  },
});

const fetchLike = defineCommand({
  usage: "URL [curl flags]",
  examples: ["fetch -d x URL"],
  options: { pay: { type: "boolean", description: "pay for it" } },
  rawArgs: true,
  run({ out, flags }, { options, raw }) {
    out.line(JSON.stringify({ raw, pay: options.pay, rpc: flags.rpc }));
    return Promise.resolve();
  },
});

const runLike = defineCommand({
  usage: "[flags] DIR [curl flags] URL",
  examples: ["run DIR URL"],
  options: { interface: { type: "string", value: "KIND", description: "what it is" } },
  rawArgs: true,
  isFolderFirst: true,
  run: () => Promise.resolve(),
});

const broken: Command = {
  usage: "",
  examples: ["broken"],
  options: {},
  run: () =>
    Promise.reject(
      new KhachapuriError("payment_required", "no credits left", { hints: ["allow more"] }),
    ),
};

const entry = (name: string, command: Command): CommandEntry => ({
  name,
  group: "developer",
  summary: `summary of ${name}`,
  load: () => Promise.resolve(command),
});
const table = [
  entry("greet", greet),
  entry("fetch", fetchLike),
  entry("run", runLike),
  entry("broken", broken),
];

async function run(args: string[], options: Parameters<typeof fakeWorld>[1] = {}) {
  const world = fakeWorld(args, { env: { HOME: "/home/nino" }, ...options });
  const code = await runCli(world, table);
  return { code, stdout: world.stdoutText(), stderr: world.stderrText() };
}

Deno.test("runCli() passes typed flags and positionals to the command", async () => {
  assert.deepEqual(await run(["greet", "Nino", "--times", "2", "-l"]), {
    code: 0,
    stdout: "hello Nino 2!\n",
    stderr: "",
  });
});

Deno.test("runCli() under --json prints one document and nothing else", async () => {
  const args = [
    "greet",
    "Nino",
    "--json",
    "--title",
    "Dr",
    "--title=Prof",
    "--gateway",
    "http://a",
  ];
  const { code, stdout } = await run(args);
  assert.equal(code, 0);
  assert.deepEqual(JSON.parse(stdout), {
    name: "Nino",
    options: { loud: false, title: ["Dr", "Prof"] },
    home: "/home/nino/.khachapuri",
    gateway: ["http://a"],
    coins: "5",
  });
});

Deno.test("runCli() shows progress on a terminal only, and clears it", async () => {
  const { stderr, stdout } = await run(["greet", "Nino"], { isTerminal: true });
  assert.equal(stdout, "hello Nino once.\n");
  assert.equal(stderr, "greeting…\r\x1b[K");
});

Deno.test("runCli() takes the home from --home before KHACHAPURI_HOME before HOME", async () => {
  const env = { HOME: "/h", KHACHAPURI_HOME: "/k" };
  const home = async (args: string[], options = {}) =>
    JSON.parse((await run(["greet", "x", "--json", ...args], options)).stdout).home;
  assert.equal(await home(["--home", "/f"], { env }), "/f");
  assert.equal(await home([], { env }), "/k");
  assert.equal((await run(["greet", "x"], { env: {} })).code, 2);
});

Deno.test("runCli() answers a wrong command line with exit 2 and the nearest word", async () => {
  const cases: [string[], RegExp][] = [
    [["gret", "x"], /unknown command gret.*\n.*did you mean greet\?/],
    [["greet", "x", "--tims", "2"], /unknown flag --tims.*\n.*did you mean --times\?/],
    [["greet", "x", "--zzzzzzzz"], /unknown flag --zzzzzzzz.*\n {2}see khachapuri greet --help/],
    [["greet", "x", "--times"], /--times needs a value: N/],
    [["greet", "x", "--times", "-l"], /--times needs a value; write --times=-l/],
    [["greet", "x", "--times", "1", "--times", "2"], /--times is given twice/],
    [["greet", "x", "--loud=yes"], /--loud takes no value/],
    [["greet"], /usage: khachapuri greet NAME/],
    [["greet", "x", "y"], /unexpected argument "y"/],
    [["--json", "greet"], /the command comes first, not --json/],
    [["greet", "x", "--__proto__"], /unknown flag --__proto__/],
    [["fetch", "-d", "x", "--pay", "URL"], /--pay is a flag of ours: those come first/],
    [["run", "--prot", "1", "--interface", "http", ".", "/"], /unknown flag --prot/],
    [["run", ".", "--interface", "http", "/"], /--interface is a flag of ours/],
    [["fetch", "--json", "{}", "--rpc=http://x", "URL"], /--rpc=http:\/\/x is a flag of ours/],
  ];
  for (const [args, message] of cases) {
    const { code, stderr, stdout } = await run(args);
    assert.match(stderr + stdout, message);
    assert.equal(code, 2, args.join(" "));
  }
});

Deno.test("runCli() turns an error's kind into the exit code, with its hints", async () => {
  assert.deepEqual(await run(["broken"]), {
    code: 5,
    stdout: "",
    stderr: "khachapuri: no credits left (payment_required)\n  allow more\n",
  });
  const { code, stdout } = await run(["broken", "--json"]);
  assert.equal(code, 5);
  assert.deepEqual(JSON.parse(stdout), {
    error: "payment_required",
    message: "no credits left",
    hints: ["allow more"],
  });
});

Deno.test("runCli() hands a raw command everything after its own leading flags", async () => {
  const seen = async (...args: string[]) => JSON.parse((await run(["fetch", ...args])).stdout);
  assert.deepEqual(await seen("--pay", "--rpc", "http://r", "-X", "POST", "n/c", "--json", "{}"), {
    raw: ["-X", "POST", "n/c", "--json", "{}"],
    pay: true,
    rpc: ["http://r"],
  });
  assert.deepEqual(await seen("--rpc=http://r", "n/c", "-d", "--pay"), {
    raw: ["n/c", "-d", "--pay"],
    pay: false,
    rpc: ["http://r"],
  });
  assert.deepEqual(await seen("--json", "{}", "n/c"), {
    raw: ["--json", "{}", "n/c"],
    pay: false,
    rpc: [],
  });
});

Deno.test("runCli() tells its --json from curl's, which has data behind it", async () => {
  const isJson = async (...args: string[]) => (await run(["fetch", ...args])).stdout === "";
  for (
    const args of [["--json", "n/c"], ["--json", "--pay", "n/c"], ["n/c", "-s", "--json"], [
      "n/c",
      "--json",
      "-i",
    ]]
  ) {
    assert.equal(await isJson(...args), true, args.join(" "));
  }
  for (
    const args of [["--json", "{}", "n/c"], ["--json", "@f", "n/c"], ["n/c", "-d", "--json"], [
      "n/c",
      "--json",
      "1",
    ]]
  ) {
    assert.equal(await isJson(...args), false, args.join(" "));
  }
  const { stdout } = await run(["fetch", "--json", "n/c", "--rpc=x"]);
  assert.equal(JSON.parse(stdout).error, "usage");
});

Deno.test("runCli() knows help and version in every place where people write them", async () => {
  for (const args of [["fetch", "-h"], ["fetch", "--help"], ["fetch", "n/c", "-h"]]) {
    assert.match((await run(args)).stdout, /^usage: khachapuri fetch URL/, args.join(" "));
  }
  assert.match((await run(["greet", "-h"])).stdout, /^usage: khachapuri greet/);
  for (const word of ["version", "--version", "-V"]) {
    assert.match((await run([word])).stdout, /^khachapuri \d/);
    const told = JSON.parse((await run([word, "--json"])).stdout);
    const facts = ["version", "architecture", "commit", "deno", "trustedKey"];
    assert.deepEqual(Object.keys(told), facts);
    assert.match(told.architecture, /^(?:x86_64|arm64)$/);
    assert.equal(told.commit, "source");
    assert.equal(told.trustedKey, null);
    assert.equal(told.deno, Deno.version.deno);
  }
  const { commands } = JSON.parse((await run(["help", "--json"])).stdout);
  assert.deepEqual(commands.map(({ name }: { name: string }) => name), [
    "greet",
    "fetch",
    "run",
    "broken",
  ]);
  assert.equal(JSON.parse((await run(["help", "greet", "--json"])).stdout).usage, "NAME");
  assert.equal(JSON.parse((await run(["gret", "--json"])).stdout).error, "usage");
});

Deno.test("runCli() prints help on request and without a command", async () => {
  const overview = await run(["help"]);
  assert.equal(overview.code, 0);
  assert.match(overview.stdout, /greet +summary of greet/);
  assert.equal((await run([])).code, 2);
  assert.equal((await run(["--help"])).stdout, overview.stdout);
  const help = await run(["greet", "--help"]);
  assert.equal(help.code, 0);
  assert.match(help.stdout, /usage: khachapuri greet NAME/);
  assert.match(help.stdout, /-l, --loud +with an exclamation mark/);
  assert.match(help.stdout, /khachapuri greet Nino --times 2/);
  assert.equal((await run(["help", "greet"])).stdout, help.stdout);
  assert.match((await run(["--version"])).stdout, /^khachapuri \d+\.\d+\.\d+\n$/);
});

Deno.test("every command loads, says how it is used and shows an example of itself", async () => {
  assert.equal(new Set(COMMANDS.map(({ name }) => name)).size, COMMANDS.length);
  for (const { name, summary, load } of COMMANDS) {
    const command = await load();
    assert.ok(summary.length > 0 && summary.length <= 72 && !summary.endsWith("."), name);
    assert.ok(command.examples.length > 0, `${name} has no example`);
    for (const example of command.examples) assert.ok(example.startsWith(name), example);
    const flags = optionsOf(command);
    assert.ok(flags.json && flags.help?.short === "h", `${name} lacks --json or -h`);
    for (const [key, option] of Object.entries(command.options)) {
      assert.match(key, /^[a-z][a-z0-9-]*$/);
      assert.ok(option.description.length > 0, `${name} --${key}`);
    }
  }
});
