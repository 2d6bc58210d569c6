/** A real browser, where the machine has one: runs a script in a page of an origin of its own. */
import { makeFolder } from "./home.ts";
import { signalGroup, survivors } from "./processes.ts";

/** Path of a Chromium; null where there is none. */
export const CHROMIUM: string | null = await findChromium();

async function findChromium(): Promise<string | null> {
  for (const name of ["chromium-headless-shell", "chromium"]) {
    for (const dir of (Deno.env.get("PATH") ?? "").split(":")) {
      const info = await Deno.stat(`${dir}/${name}`).catch(() => null);
      if (info?.isFile) return `${dir}/${name}`;
    }
  }
  // deno-lint-ignore no-console
  console.log("    chromium is not on PATH here: tests with a real browser are NOT RUN");
  return null;
}

/**
 * What a page's script comes to.
 * @param script the body of an async function; what it returns has to be JSON
 */
export async function runInPage(chromium: string, script: string): Promise<unknown> {
  const result = Promise.withResolvers<unknown>();
  const page = `<script type="module">
const run = async () => { ${script} };
const result = await run().catch((error) => ({ failed: String(error) }));
await fetch("/result", { method: "POST", body: JSON.stringify(result) });
</script>`;
  const serve = async (request: Request) => {
    if (request.method === "POST") result.resolve(await request.json());
    return new Response(page, { headers: { "content-type": "text/html" } });
  };
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, serve);
  await using browser = await startBrowser(chromium, [
    "--remote-debugging-port=0",
    `http://localhost:${server.addr.port}/`,
  ]);
  const ended = browser.status.then(({ code }) => {
    throw new Error(`the browser ended with ${code} before the page had a result`);
  });
  try {
    return await Promise.race([result.promise, ended]);
  } finally {
    ended.catch(() => {});
  }
}

/** The document at `url` as HTML, once a browser that went there has loaded it. */
export async function documentAt(chromium: string, url: string): Promise<string> {
  await using browser = await startBrowser(chromium, ["--dump-dom", url]);
  return await new Response(browser.stdout).text();
}

/** A browser with a profile of its own, without a window; ended with what it has started. */
async function startBrowser(chromium: string, args: readonly string[]) {
  const profile = await makeFolder();
  const child = new Deno.Command(chromium, {
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-dev-shm-usage",
      "--no-first-run",
      "--disable-background-networking",
      `--user-data-dir=${profile.dir}`,
      ...args,
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
    // Debian's is a script, which starts the browser and does not pass signals on.
    detached: true,
  }).spawn();
  return {
    status: child.status,
    stdout: child.stdout,
    async [Symbol.asyncDispose]() {
      signalGroup(child, "SIGTERM");
      if (!child.stdout.locked) await child.stdout.cancel();
      await child.status;
      await survivors(profile.dir);
      await profile[Symbol.asyncDispose]();
    },
  };
}
