/** A response head the way `curl -i` prints it. */
import { STATUS_CODES } from "node:http";

/** Status line and headers, with the empty line that ends them. */
export function formatHead(status: number, headers: Iterable<readonly [string, string]>): string {
  const reason = STATUS_CODES[status];
  const lines = [`HTTP/1.1 ${status}${reason ? ` ${reason}` : ""}`];
  for (const [name, value] of headers) lines.push(`${name}: ${value}`);
  return `${lines.join("\r\n")}\r\n\r\n`;
}
