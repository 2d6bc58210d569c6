/** The devnet as its user meets it: what it prints, and what of it can be pasted. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { PERMISSIONS_OF_TESTS } from "../tools/permissions.ts";

const ROOT = join(import.meta.dirname!, "..");

/** Runs lines in a shell that knows no deno. */
async function paste(lines: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-e", "-c", lines.join("\n")],
    clearEnv: true,
    env: { PATH: "/usr/bin:/bin", HOME: Deno.env.get("HOME")!, NO_COLOR: "1" },
    stdin: "null",
    cwd: "/",
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

Deno.test("devnet prints its own words alone, and lines that work where they are pasted", async () => {
  const devnet = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--frozen", "--no-prompt", ...PERMISSIONS_OF_TESTS, "tools/devnet.ts"],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const said: string[] = [];
  const lines = devnet.stdout.pipeThrough(new TextDecoderStream()).values();
  try {
    for (let text = ""; !text.includes("Ctrl-C ends this world.\n");) {
      const { done, value } = await lines.next();
      assert.ok(!done, `devnet ended: ${text}`);
      text += value;
      said.splice(0, said.length, ...text.split("\n"));
    }
    const commands = said.filter((line) => line.startsWith("  ")).map((line) => line.trim());
    const untilProvider = commands.slice(0, commands.findIndex((line) => / init /.test(line)));
    const out = await paste(untilProvider);
    assert.match(out, /200 OK/);
    assert.match(out, /gamarjoba, Nino\n.*gamarjoba, world\n/s);
    assert.match(out, /locked +\S+ USDC, \d+ credits for paolo\.khachapuri/);
    assert.match(out, /\nbaf[a-z2-7]{56}\ncurl http/);
    for (const line of said) assert.doesNotMatch(line, /^(Download|Task|Check|Initialize|Warning)/);
  } finally {
    devnet.kill("SIGTERM");
    await devnet.status;
    await lines.return?.();
  }
});
