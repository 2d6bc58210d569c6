/** A request to one host under the name of another, as a browser's or a proxy's comes. */
import { request } from "node:http";

export interface HostAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** Asks the server at `url` for a path of `host`. */
export function askHost(
  url: string,
  host: string,
  path: string,
  { method = "GET", headers = {} }: { method?: string; headers?: Record<string, string> } = {},
): Promise<HostAnswer> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, path, method, headers: { ...headers, host } });
    sent.on("error", reject);
    sent.on("response", (answer) => {
      const parts: Uint8Array[] = [];
      answer.on("data", (part: Uint8Array) => parts.push(part));
      answer.on("error", reject);
      answer.on("end", async () => {
        resolve({
          status: answer.statusCode!,
          headers: new Headers(answer.headers as Record<string, string>),
          text: await new Blob(parts as Uint8Array<ArrayBuffer>[]).text(),
        });
      });
    });
    sent.end();
  });
}
