import assert from "node:assert/strict";
import { join } from "node:path";
import { inFolder } from "../../worlds/home.ts";
import { fakeWorld } from "../../worlds/terminal.ts";
import { runCli } from "./cli.ts";
import { outlineOf } from "./command_outline.ts";
import { COMMANDS } from "./table.ts";

async function printed(...args: string[]): Promise<string> {
  const world = fakeWorld(args, { env: { HOME: "/nowhere" } });
  assert.equal(await runCli(world), 0, world.stderrText());
  return world.stdoutText();
}

async function isInstalled(program: string): Promise<boolean> {
  const folders = (Deno.env.get("PATH") ?? "").split(":");
  const found = folders.map((folder) =>
    Deno.stat(join(folder, program)).then(() => true, () => false)
  );
  return (await Promise.all(found)).includes(true);
}

/** What a shell prints for a script of its own. */
async function shell(
  program: string,
  flags: string[],
  script: string,
  dir: string,
): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args: [...flags, script],
    env: { HOME: dir, XDG_CONFIG_HOME: dir, XDG_DATA_HOME: dir, TERM: "dumb" },
    cwd: dir,
    stdin: "null",
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

Deno.test("every command and every flag is completed in every shell", async () => {
  const outline = await outlineOf(COMMANDS);
  for (const name of ["bash", "zsh", "fish"]) {
    const script = await printed("completions", name);
    for (const { entry, flags } of outline) {
      assert.match(script, new RegExp(`\\b${entry.name}\\b`), `${name}: ${entry.name}`);
      for (const { long } of flags) {
        const spelled = name === "fish" ? `from ${entry.name}' -l ${long}` : `--${long}`;
        assert.ok(script.includes(spelled), `${name}: ${entry.name} --${long}`);
      }
    }
  }
});

/** What is typed, and what has to be offered for its last word; files are ./kept.txt alone. */
const TYPED: readonly [typed: string, offered: readonly string[]][] = [
  ["khachapuri deploy", ["deploy", "deployments"]],
  ["khachapuri help verif", ["verify-receipt"]],
  ["khachapuri operator re", ["remove", "reset"]],
  ["khachapuri completions ", ["bash", "fish", "zsh"]],
  ["khachapuri deploy --pr", ["--private", "--provider"]],
  ["khachapuri balance --jso", ["--json"]],
  ["khachapuri deploy --env-file ke", ["kept.txt"]],
  ["khachapuri verify-receipt ke", ["kept.txt"]],
  ["khachapuri logs ke", []],
  ["khachapuri deploy --provider ke", []],
  ["khachapuri deploy --interface ", ["cgi", "curl", "http"]],
  ["khachapuri run --server-listen p", ["port"]],
  ["khachapuri deploy --access pa", ["payer"]],
];

/** A line in brackets for each of the above. */
function offeredIn(out: string): string[][] {
  const lines = out.trimEnd().split("\n").map((line) => line.slice(1, -1));
  return lines.map((line) => line.split(" ").filter((word) => word !== "").sort());
}

Deno.test({
  name: "bash offers commands, words, flags and files",
  ignore: !await isInstalled("bash"),
  fn: () =>
    inFolder(async (dir) => {
      await Deno.writeTextFile(join(dir, "kept.txt"), "");
      const script = await printed("completions", "bash");
      const ask = TYPED.map(([typed]) => {
        const words = typed.split(" ").map((word) => `'${word}'`).join(" ");
        return `COMP_WORDS=(${words}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _khachapuri; ` +
          `echo "[\${COMPREPLY[*]}]"`;
      });
      const out = await shell("bash", ["--norc", "-c"], `${script}\n${ask.join("\n")}`, dir);
      assert.deepEqual(offeredIn(out), TYPED.map(([, offered]) => [...offered].sort()));
    }),
});

Deno.test({
  name: "fish offers commands, words, flags and files",
  ignore: !await isInstalled("fish"),
  fn: () =>
    inFolder(async (dir) => {
      await Deno.writeTextFile(join(dir, "kept.txt"), "");
      await Deno.writeTextFile(join(dir, "k.fish"), await printed("completions", "fish"));
      const ask = TYPED.map(([typed]) =>
        `echo "[$(complete -C '${typed}' | cut -f1 | string join ' ')]"`
      );
      const script = ["source k.fish", ...ask].join("\n");
      const out = await shell("fish", ["--no-config", "-c"], script, dir);
      assert.deepEqual(offeredIn(out), TYPED.map(([, offered]) => [...offered].sort()));
    }),
});

/** Types each line and a tab into a zsh on a terminal of its own, and waits for what must come. */
const ZSH = `
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z "PS1=; stty cols 200; autoload -U compinit && compinit -D -u && source ./_khachapuri; print LOA''DED"
zpty -r z seen '*LOADED*'
ask() { zpty -n -w z $'\\x15'"$1"$'\\t'; zpty -r z seen "*$2*" && print -r -- "$2" }
ask 'khachapuri deployme' 'deployments '
ask 'khachapuri operator rem' 'remove '
ask 'khachapuri completions f' 'fish '
ask 'khachapuri deploy --prov' '--provider'
ask 'khachapuri deploy --env-file=ke' 'kept.txt '
ask 'khachapuri verify-receipt ke' 'kept.txt '
ask 'khachapuri deploy --interface=ht' 'http '
zpty -d z
`;

Deno.test({
  name: "zsh completes commands, words, flags and files",
  ignore: !await isInstalled("zsh"),
  fn: () =>
    inFolder(async (dir) => {
      await Deno.writeTextFile(join(dir, "kept.txt"), "");
      await Deno.writeTextFile(join(dir, "_khachapuri"), await printed("completions", "zsh"));
      const out = await shell("zsh", ["-f", "-c"], ZSH, dir);
      const seen = ["deployments", "remove", "fish", "--provider", "kept.txt", "kept.txt", "http"];
      assert.deepEqual(out.trimEnd().split("\n").map((line) => line.trim()), seen);
    }),
});

Deno.test("the manual page has every command, with usage, flags and examples", async () => {
  const page = (await printed("man")).replaceAll("\\-", "-");
  for (const { entry, command, flags } of await outlineOf(COMMANDS)) {
    assert.ok(page.includes(`\n.SS ${entry.name}\n.B khachapuri ${entry.name}\n`), entry.name);
    for (const { long } of flags) assert.match(page, new RegExp(`^\\.B .*--${long}( |$)`, "m"));
    const [example] = command.examples;
    const ascii = (text: string) => text.replace(/[^\x20-\x7e]/g, "");
    assert.ok(page.replace(/\\\[u[0-9A-F]+\]/g, "").includes(ascii(`khachapuri ${example}`)));
  }
});

Deno.test({
  name: "groff and mandoc find nothing to warn of in the manual page",
  ignore: !await isInstalled("groff") || !await isInstalled("mandoc"),
  fn: () =>
    inFolder(async (dir) => {
      await Deno.writeTextFile(join(dir, "khachapuri.1"), await printed("man"));
      const groff = "groff -ww -man -Tutf8 -b khachapuri.1 2>&1 >/dev/null";
      // A page without a date has one thing less to change.
      const mandoc = "mandoc -T lint -W warning khachapuri.1 | grep -v 'missing date'";
      assert.equal(await shell("sh", ["-c"], `${groff}; ${mandoc}; true`, dir), "");
    }),
});
