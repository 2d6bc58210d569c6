import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { PERMISSIONS } from "../tools/permissions.ts";
import { certificateFiles } from "../worlds/certificate.ts";

const UPLOAD = fileURLToPath(new URL("upload.ts", import.meta.url));

/** What a process says that uploads with no more leave than the package has. */
async function saidOfUpload(url: string, trusted: string | null): Promise<string> {
  const program = `const { NO_BODY, upload } = await import(${JSON.stringify(UPLOAD)});
    const url = new URL(${JSON.stringify(url)});
    const request = { url, method: "POST", headers: {}, body: NO_BODY, answerBytesMax: 99 };
    const { status } = await upload(request).catch(({ message }) => ({ status: message }));
    console.log(status);`;
  const flags = ["--quiet", "--frozen", "--no-prompt", "--no-check", "--cached-only"];
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", ...flags, ...PERMISSIONS, "-"],
    env: { NO_COLOR: "1", ...(trusted === null ? {} : { DENO_CERT: trusted }) },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(program));
  await writer.close();
  const { stdout, stderr } = await child.output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

Deno.test("upload() goes over TLS with what the package may do, to a name and an address", async () => {
  await using files = await certificateFiles("localhost");
  const [cert, key] = await Promise.all(
    [files.cert, files.key].map((path) => Deno.readTextFile(path)),
  );
  const options = { hostname: "127.0.0.1", port: 0, cert: cert!, key: key!, onListen() {} };
  const server = Deno.serve(options, () => new Response("there", { status: 201 }));
  try {
    for (const host of ["localhost", "127.0.0.1"]) {
      const url = `https://${host}:${server.addr.port}/`;
      assert.equal(await saidOfUpload(url, files.cert), "201\n", host);
      assert.match(await saidOfUpload(url, null), /certificate/i, `${host}, of nobody known`);
    }
  } finally {
    await server.shutdown();
  }
});
