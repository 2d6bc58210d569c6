/**
 * Callers that notice everything: each sends one request after another, on one connection for as
 * long as the provider keeps it, or on a new one each time. A request that is not answered whole is
 * an error, also where a client would have sent it again in silence.
 */

export interface Load {
  /** Answers that came whole, and were what they should be. */
  answered(): number;
  /** What went wrong, in words. */
  readonly errors: string[];
  /** How long answers took that came since the last time this was asked, ms, the longest last. */
  times(): number[];
  /** Ends it; resolves when all that was sent is answered. */
  stop(): Promise<void>;
}

export interface LoadOptions {
  /** A connection to the provider, in the clear or by TLS. */
  connect(): Promise<Deno.Conn>;
  path: string;
  /** What each answer's body is. */
  answer: string;
  /** Of callers that keep their connection, and of those that do not. */
  kept: number;
  fresh: number;
  headers?: Readonly<Record<string, string>>;
}

export function startLoad({ kept, fresh, ...what }: LoadOptions): Load {
  const errors: string[] = [];
  let times: number[] = [];
  let answered = 0;
  let isOver = false;
  async function call(isKept: boolean): Promise<void> {
    let connection: Deno.Conn | null = null;
    while (!isOver) {
      const begun = performance.now();
      try {
        connection ??= await what.connect();
        const { body, isLast } = await exchange(connection, what, isKept);
        if (!body.includes(what.answer)) errors.push(`answered: ${body.slice(0, 200)}`);
        else answered += 1;
        if (isLast) {
          connection.close();
          connection = null;
        }
      } catch (error) {
        errors.push(`${isKept ? "kept" : "fresh"}: ${error}`);
        connection?.close();
        connection = null;
      }
      times.push(performance.now() - begun);
    }
    connection?.close();
  }
  const callers = [
    ...Array.from({ length: kept }, () => call(true)),
    ...Array.from({ length: fresh }, () => call(false)),
  ];
  return {
    errors,
    answered: () => answered,
    times() {
      const told = times.sort((one, other) => one - other);
      times = [];
      return told;
    },
    async stop() {
      isOver = true;
      await Promise.all(callers);
    },
  };
}

type Asked = Pick<LoadOptions, "path" | "headers">;

async function exchange(connection: Deno.Conn, { path, headers = {} }: Asked, isKept: boolean) {
  const fields = Object.entries({ host: "provider.test", ...headers });
  if (!isKept) fields.push(["connection", "close"]);
  const head = fields.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  await writeAll(connection, new TextEncoder().encode(`GET ${path} HTTP/1.1\r\n${head}\r\n`));
  const text = await readAnswer(connection);
  const [answered = "", ...rest] = text.split("\r\n\r\n");
  const isLast = !isKept || /^connection: close$/im.test(answered);
  return { body: `${answered.split("\r\n")[0]}\n${rest.join("\r\n\r\n")}`, isLast };
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

/** To the end of one answer, be it of a known length or in chunks. */
async function readAnswer(connection: Deno.Conn): Promise<string> {
  const chunk = new Uint8Array(16 * 1024);
  let text = "";
  for (;;) {
    const read = await connection.read(chunk);
    if (read === null) throw new Error(`the connection ended after ${text.length} bytes`);
    text += new TextDecoder("latin1").decode(chunk.subarray(0, read));
    const end = text.indexOf("\r\n\r\n");
    if (end < 0) continue;
    const [, length] = /^content-length: (\d+)\r$/im.exec(text.slice(0, end + 2)) ?? [];
    const body = text.slice(end + 4);
    if (length === undefined ? body.endsWith("0\r\n\r\n") : body.length >= Number(length)) {
      return text;
    }
  }
}
