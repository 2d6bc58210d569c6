/**
 * A page in a real browser, driven as a person does: by what it shows, by keys and clicks. It is
 * watched by the browser's own DevTools protocol: what it asked for, and what it was refused.
 */
import { type BrowserProcess, startBrowser } from "./browser_process.ts";

export interface BrowserPage extends AsyncDisposable {
  /** URLs of all that the page has asked for. */
  readonly requests: string[];
  /** What a policy has refused, what failed in a script, and what was written as an error. */
  readonly faults: string[];
  /** Runs a script before any of the page's own, at each load. */
  addScript(source: string): Promise<void>;
  /** Has the page's `name(text)` call back here. */
  addBinding(name: string, onCall: (text: string) => void): Promise<void>;
  open(url: string): Promise<void>;
  evaluate<T>(expression: string): Promise<T>;
  /** Resolves once an expression is true, looking whenever the document changes. */
  until(expression: string): Promise<void>;
  /** Text of the first element that a selector finds, as it is shown. */
  text(selector: string): Promise<string>;
  fill(selector: string, text: string): Promise<void>;
  click(selector: string): Promise<void>;
  /** Presses keys, as `Tab`, `Enter` and ` `, or types what is longer. */
  press(...keys: string[]): Promise<void>;
  /** As a reader has it set up. */
  look(settings: { width: number; height: number; scheme: "light" | "dark" }): Promise<void>;
  withoutScripts(): Promise<void>;
  /** The whole page as PNG. */
  screenshot(): Promise<Uint8Array<ArrayBuffer>>;
}

type Message = {
  id?: number;
  method?: string;
  // deno-lint-ignore no-explicit-any
  params?: any;
  // deno-lint-ignore no-explicit-any
  result?: any;
  error?: { message: string };
};

/** How long anything may take until it is shown, ms. */
const SHOWN_MS = 30_000;

const KEYS: Readonly<Record<string, { key: string; code: string; number: number; text?: string }>> =
  {
    Tab: { key: "Tab", code: "Tab", number: 9 },
    Enter: { key: "Enter", code: "Enter", number: 13, text: "\r" },
    " ": { key: " ", code: "Space", number: 32, text: " " },
  };

/** Opens a browser with an empty page. */
export async function openPage(chromium: string): Promise<BrowserPage> {
  const browser = await startBrowser(chromium, "about:blank");
  try {
    const devtools = await DevTools.connect(await browser.devtools);
    return await drive(browser, devtools);
  } catch (error) {
    await browser[Symbol.asyncDispose]();
    throw error;
  }
}

async function drive(browser: BrowserProcess, devtools: DevTools): Promise<BrowserPage> {
  const watched = await watch(devtools);
  const { send } = devtools;
  const evaluate = async <T>(expression: string): Promise<T> => {
    const asked = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await send("Runtime.evaluate", asked);
    if (!exceptionDetails) return result.value;
    throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
  };
  const element = (selector: string) => `document.querySelector(${JSON.stringify(selector)})`;
  return {
    ...watched,
    evaluate,
    addScript: (source) => send("Page.addScriptToEvaluateOnNewDocument", { source }),
    async addBinding(name, onCall) {
      devtools.on("Runtime.bindingCalled", (called) => {
        if (called.name === name) onCall(called.payload);
      });
      await send("Runtime.addBinding", { name });
    },
    async open(url) {
      const loaded = devtools.next("Page.loadEventFired");
      await send("Page.navigate", { url });
      await loaded;
    },
    async until(expression) {
      const isSo = await evaluate(untilScript(expression));
      if (isSo) return;
      const shown = await evaluate("document.body.innerText");
      throw new Error(`it never came to ${expression}:\n${shown}`);
    },
    text: (selector) => evaluate(`${element(selector)}.innerText`),
    async fill(selector, text) {
      await evaluate(`${element(selector)}.focus(); ${element(selector)}.select()`);
      await send("Input.insertText", { text });
    },
    click: (selector) => evaluate(`${element(selector)}.click()`),
    async press(...keys) {
      for (const each of keys) await press(devtools, each);
    },
    async look({ width, height, scheme }) {
      const metrics = { width, height, deviceScaleFactor: 1, mobile: false };
      await send("Emulation.setDeviceMetricsOverride", metrics);
      const features = [{ name: "prefers-color-scheme", value: scheme }];
      await send("Emulation.setEmulatedMedia", { features });
    },
    withoutScripts: () => send("Emulation.setScriptExecutionDisabled", { value: true }),
    async screenshot() {
      const { data } = await send("Page.captureScreenshot", { captureBeyondViewport: true });
      return Uint8Array.fromBase64(data);
    },
    async [Symbol.asyncDispose]() {
      devtools.close();
      await browser[Symbol.asyncDispose]();
    },
  };
}

/** Writes down what the page does that a reader does not see. */
async function watch(devtools: DevTools): Promise<Pick<BrowserPage, "requests" | "faults">> {
  const [requests, faults]: [string[], string[]] = [[], []];
  devtools.on("Network.requestWillBeSent", ({ request }) => requests.push(request.url));
  devtools.on("Log.entryAdded", ({ entry: { level, source, text, url } }) => {
    // An answer's status is not the page's fault.
    if (level === "error" && source !== "network") faults.push(`${text} ${url ?? ""}`);
  });
  devtools.on("Runtime.exceptionThrown", ({ exceptionDetails: { exception, text } }) => {
    faults.push(exception?.description ?? text);
  });
  devtools.on("Runtime.consoleAPICalled", ({ type, args }) => {
    if (type === "error") faults.push(JSON.stringify(args));
  });
  for (const domain of ["Page", "Runtime", "Network", "Log"]) {
    await devtools.send(`${domain}.enable`);
  }
  return { requests, faults };
}

const untilScript = (expression: string) =>
  `new Promise((resolve) => {
  const look = () => {
    if (!(${expression})) return;
    observer.disconnect();
    resolve(true);
  };
  const observer = new MutationObserver(look);
  const all = { subtree: true, childList: true, attributes: true, characterData: true };
  observer.observe(document, all);
  setTimeout(() => resolve(false), ${SHOWN_MS});
  look();
})`;

async function press({ send }: DevTools, each: string): Promise<void> {
  const known = KEYS[each];
  if (!known) return void await send("Input.insertText", { text: each });
  const { number: windowsVirtualKeyCode, ...key } = known;
  const type = key.text ? "keyDown" : "rawKeyDown";
  await send("Input.dispatchKeyEvent", { type, windowsVirtualKeyCode, ...key });
  await send("Input.dispatchKeyEvent", { type: "keyUp", windowsVirtualKeyCode, ...key });
}

/** Chrome DevTools Protocol, of one page. */
class DevTools {
  readonly #waiting = new Map<number, PromiseWithResolvers<Message["result"]>>();
  // deno-lint-ignore no-explicit-any
  readonly #listeners: { method: string; listener: (params: any) => void }[] = [];
  #session: string | undefined;
  #last = 0;

  private constructor(private readonly socket: WebSocket) {
    socket.addEventListener("message", ({ data }) => this.#take(JSON.parse(data)));
    socket.addEventListener("close", () => this.#fail(new Error("the browser has gone")));
  }

  static async connect(url: string): Promise<DevTools> {
    const socket = new WebSocket(url);
    const { promise: opened, resolve, reject } = Promise.withResolvers<void>();
    socket.addEventListener("open", () => resolve());
    socket.addEventListener("error", () => reject(new Error("the browser does not listen")));
    await opened;
    const devtools = new DevTools(socket);
    const { targetId } = await devtools.send("Target.createTarget", { url: "about:blank" });
    const asked = { targetId, flatten: true };
    devtools.#session = (await devtools.send("Target.attachToTarget", asked)).sessionId;
    return devtools;
  }

  // deno-lint-ignore no-explicit-any
  readonly send = async (method: string, params: object = {}): Promise<any> => {
    const id = ++this.#last;
    const answer = Promise.withResolvers<Message["result"]>();
    this.#waiting.set(id, answer);
    const session = this.#session === undefined ? {} : { sessionId: this.#session };
    this.socket.send(JSON.stringify({ id, method, params, ...session }));
    return await answer.promise;
  };

  // deno-lint-ignore no-explicit-any
  on(method: string, listener: (params: any) => void): void {
    this.#listeners.push({ method, listener });
  }

  /** Resolves with the next event of a name. */
  next(method: string): Promise<void> {
    return new Promise((resolve) => this.on(method, () => resolve()));
  }

  close(): void {
    this.socket.close();
  }

  #take({ id, method, params, result, error }: Message): void {
    if (id === undefined) {
      for (const heard of this.#listeners) if (heard.method === method) heard.listener(params);
      return;
    }
    const answer = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error) answer?.reject(new Error(error.message));
    else answer?.resolve(result);
  }

  #fail(error: Error): void {
    for (const answer of this.#waiting.values()) answer.reject(error);
    this.#waiting.clear();
  }
}
