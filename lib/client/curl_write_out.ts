/** What -w prints after a transfer, in curl's own variables. */
import type { Transferred } from "./curl_transfer.ts";
import { formatCurlUrl } from "./curl_url.ts";

/** A transfer that has ended. */
export interface Finished extends Transferred {
  /** As given on the command line. */
  url: string;
  /** Of the body, as it was written. */
  bodyBytes: number;
  /** `performance.now()` at its end. */
  endedAt: number;
  /** Where the body went; null is stdout. */
  output: string | null;
  exitCode: number;
  errorMessage: string | null;
}

type Value = string | number | null;

const SECONDS: ReadonlySet<string> = new Set([
  "time_namelookup",
  "time_connect",
  "time_appconnect",
  "time_pretransfer",
  "time_redirect",
  "time_starttransfer",
  "time_total",
]);

/** The text of a -w format; `onStderr` is what follows `%{stderr}`. */
export function writeOut(format: string, finished: Finished): { stdout: string; stderr: string } {
  const values = variables(finished);
  const texts = { stdout: "", stderr: "" };
  let to: keyof typeof texts = "stdout";
  const pattern = /%%|%\{([a-z_]+)\}|%header\{([^}]*)\}|\\[rntfe\\]|[^]/g;
  for (const [token, name, header] of format.matchAll(pattern)) {
    if (name === "stderr" || name === "stdout") to = name;
    else if (name === "onerror") {
      if (finished.exitCode === 0) break;
    } else if (name === "json") texts[to] += json(values);
    else if (name === "header_json") texts[to] += headerJson(finished);
    else if (name !== undefined && !Object.hasOwn(values, name)) {
      texts.stderr += `khachapuri: unknown --write-out variable: '${name}'\n`;
    } else if (name !== undefined) texts[to] += textOf(name, values[name]!);
    else if (header !== undefined) texts[to] += headerValue(finished, header);
    else texts[to] += ESCAPES[token] ?? token;
  }
  return texts;
}

const ESCAPES: Readonly<Record<string, string>> = {
  "%%": "%",
  "\\r": "\r",
  "\\n": "\n",
  "\\t": "\t",
  "\\f": "\f",
  "\\e": "\x1b",
  "\\\\": "\\",
};

function variables(finished: Finished): Record<string, Value> {
  const { answer, request, redirects, beganAt, hopAt, endedAt } = finished;
  const { timing: { connection, ...timing } } = answer;
  const before = (hopAt - beganAt) / 1_000;
  const at = (ms: number) => ms === 0 ? 0 : before + ms / 1_000;
  const total = (endedAt - beganAt) / 1_000;
  const upload = request.body?.length ?? 0;
  return {
    content_type: field(finished, "content-type"),
    errormsg: finished.errorMessage,
    exitcode: finished.exitCode,
    filename_effective: finished.output,
    http_code: answer.status,
    http_connect: 0,
    http_version: answer.version,
    local_ip: connection?.localIp ?? "",
    local_port: connection?.localPort ?? 0,
    method: request.method,
    num_connects: connection ? 1 : 0,
    num_headers: answer.fields.length,
    num_redirects: redirects,
    proxy_ssl_verify_result: 0,
    redirect_url: finished.redirectUrl ? formatCurlUrl(finished.redirectUrl) : null,
    referer: request.fields.find(([name]) => name === "Referer")?.[1] ?? null,
    remote_ip: connection?.remoteIp ?? "",
    remote_port: connection?.remotePort ?? 0,
    response_code: answer.status,
    scheme: request.url.scheme.toUpperCase(),
    size_download: finished.bodyBytes,
    size_header: finished.headBytes,
    size_request: finished.requestBytes + upload,
    size_upload: upload,
    speed_download: total > 0 ? Math.round(finished.bodyBytes / total) : 0,
    speed_upload: total > 0 ? Math.round(upload / total) : 0,
    ssl_verify_result: 0,
    time_appconnect: at(timing.secured),
    time_connect: at(timing.connected),
    time_namelookup: at(timing.lookup),
    time_pretransfer: at(timing.sent),
    time_redirect: before > 0 && redirects > 0 ? before : 0,
    time_starttransfer: at(timing.answered),
    time_total: total,
    url: finished.url,
    url_effective: formatCurlUrl(request.url),
    urlnum: 0,
  };
}

/** As in `%{name}`: seconds with six digits, a status with three, nothing for what is not there. */
function textOf(name: string, value: Value): string {
  if (value === null) return "";
  if (SECONDS.has(name)) return Number(value).toFixed(6);
  return /^(?:http_code|response_code|http_connect)$/.test(name)
    ? String(value).padStart(3, "0")
    : String(value);
}

function json(values: Record<string, Value>): string {
  const rounded = Object.entries(values).map(([name, value]) => [
    name,
    SECONDS.has(name) ? Number(Number(value).toFixed(6)) : value,
  ]);
  return JSON.stringify({ ...Object.fromEntries(rounded), curl_version: "khachapuri" });
}

function field({ answer }: Finished, name: string): string | null {
  return answer.fields.find(([given]) => given.toLowerCase() === name.toLowerCase())?.[1] ?? null;
}

function headerValue(finished: Finished, name: string): string {
  return field(finished, name) ?? "";
}

/** `{"name":["value", …], …}`, names in lower case. */
function headerJson({ answer }: Finished): string {
  const values = new Map<string, string[]>();
  for (const [name, value] of answer.fields) {
    const folded = name.toLowerCase();
    values.set(folded, [...values.get(folded) ?? [], value]);
  }
  const lines = [...values].map(([name, list]) =>
    `${JSON.stringify(name)}:${JSON.stringify(list)}`
  );
  return `{${lines.join(",\n")}\n}`;
}
