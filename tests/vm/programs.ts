/** The servers that servers.ts starts in the emulated machine, each a folder of its own. */
import { dirname, join } from "node:path";
import { buildServer } from "../../worlds/sandbox/servers.ts";

const SAMPLES = join(import.meta.dirname!, "../../samples");

/** By name and path; what is Debian's own there is started from there. */
const SCRIPTS = {
  "gunicorn/main": `#!/bin/sh
exec python3 -m gunicorn --bind "127.0.0.1:$PORT" --workers 2 --timeout 0 app:app
`,
  "gunicorn/app.py": `def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "6")])
    return [b"hello\\n"]
`,
  "uvicorn/main": `#!/bin/sh
exec python3 -m uvicorn --port "$PORT" app:app
`,
  "uvicorn/app.py": `async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        return await send({"type": "lifespan.shutdown.complete"})
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello\\n"})
`,
  "node/main": `#!/usr/bin/env node
require("node:http").createServer((_, answer) => answer.end("hello\\n"))
  .listen(process.env.PORT, "127.0.0.1");
`,
};

/** Writes them below `folder`. */
export async function writePrograms(folder: string): Promise<void> {
  const write = async (path: string, content: Uint8Array) => {
    await Deno.mkdir(dirname(join(folder, path)), { recursive: true });
    await Deno.writeFile(join(folder, path), content, { mode: 0o755 });
  };
  for (const [path, text] of Object.entries(SCRIPTS)) {
    await write(path, new TextEncoder().encode(text));
  }
  await write("server/main", await buildServer());
  await Deno.mkdir(join(folder, "go"), { recursive: true });
  const built = await new Deno.Command("go", {
    args: ["build", "-o", join(folder, "go/main"), "."],
    cwd: join(SAMPLES, "go-server"),
    env: { CGO_ENABLED: "0" },
  }).output();
  if (!built.success) throw new Error(new TextDecoder().decode(built.stderr));
}
