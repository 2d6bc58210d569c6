/** A browser's process with a profile of its own, which goes with it. */
import { makeFolder } from "./home.ts";
import { signalGroup, survivors } from "./processes.ts";

export interface BrowserProcess extends AsyncDisposable {
  /** Where its DevTools listen: a WebSocket's URL. */
  readonly devtools: Promise<string>;
  /** Rejects when it ends by itself. */
  readonly ended: Promise<never>;
}

/** @param url it opens first */
export async function startBrowser(chromium: string, url: string): Promise<BrowserProcess> {
  const profile = await makeFolder();
  const child = new Deno.Command(chromium, {
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-dev-shm-usage",
      "--no-first-run",
      "--disable-background-networking",
      "--remote-debugging-port=0",
      `--user-data-dir=${profile.dir}`,
      url,
    ],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    // Debian's is a script, which starts the browser and does not pass signals on.
    detached: true,
  }).spawn();
  const ended = child.status.then(({ code }): never => {
    throw new Error(`the browser ended with ${code} before the page had a result`);
  });
  ended.catch(() => {});
  const heard = Promise.withResolvers<string>();
  const drained = readUntilClosed(child.stderr, heard.resolve);
  return {
    devtools: Promise.race([heard.promise, ended]),
    ended,
    async [Symbol.asyncDispose]() {
      signalGroup(child, "SIGTERM");
      await child.status;
      await survivors(profile.dir);
      await drained;
      await profile[Symbol.asyncDispose]();
    },
  };
}

/** What nobody reads would fill the pipe and stop it. */
async function readUntilClosed(stderr: ReadableStream<Uint8Array>, onUrl: (url: string) => void) {
  const decoder = new TextDecoder();
  let text: string | null = "";
  for await (const chunk of stderr) {
    if (text === null) continue;
    text += decoder.decode(chunk, { stream: true });
    const [, url] = /DevTools listening on (ws:\S+)\s/.exec(text) ?? [];
    if (url === undefined) continue;
    onUrl(url);
    text = null;
  }
}
