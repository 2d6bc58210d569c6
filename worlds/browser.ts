/** A real browser, where the machine has one: runs a script in a page of an origin of its own. */
import { openPage } from "./browser_page.ts";
import { startBrowser } from "./browser_process.ts";

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
  const url = `http://localhost:${server.addr.port}/`;
  await using browser = await startBrowser(chromium, url);
  return await Promise.race([result.promise, browser.ended]);
}

/** The document at `url` as HTML, once a browser that went there has loaded it. */
export async function documentAt(chromium: string, url: string): Promise<string> {
  await using page = await openPage(chromium);
  await page.open(url);
  return await page.evaluate("document.documentElement.outerHTML");
}
