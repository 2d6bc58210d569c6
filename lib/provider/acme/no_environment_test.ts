import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { PERMISSIONS } from "../../../tools/permissions.ts";

const LIBRARY = fileURLToPath(new URL("acme_library.ts", import.meta.url));

Deno.test("the library loads with what the package may do, and leaves the environment as it was", async () => {
  const program = `import process from "node:process";
    const before = process.env;
    const { createCsr, AcmeClient } = await import(${JSON.stringify(LIBRARY)});
    const [key] = await createCsr({ commonName: "provider.test" });
    new AcmeClient({ directoryUrl: "https://ca.test/dir", accountKey: key });
    console.log(process.env === before, process.env.HOME, /PRIVATE KEY/.test(key));`;
  const flags = ["--quiet", "--frozen", "--no-prompt", "--no-check", "--cached-only"];
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", ...flags, ...PERMISSIONS, "-"],
    env: { HOME: "/home/of/test", NO_COLOR: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(program));
  await writer.close();
  const { stdout, stderr } = await child.output();
  const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  assert.equal(said, "true /home/of/test true\n");
});
