/** Lines of the tools: results to stdout, complaints to stderr, each written whole. */

function writeAll(stream: typeof Deno.stdout, text: string): void {
  let rest = new TextEncoder().encode(text);
  while (rest.length > 0) rest = rest.subarray(stream.writeSync(rest));
}

/** Text on stdout, whole. */
export function printAll(text: string): void {
  writeAll(Deno.stdout, text);
}

/** One line on stdout. */
export function print(line = ""): void {
  printAll(`${line}\n`);
}

/** One line on stderr. */
export function complain(line: string): void {
  writeAll(Deno.stderr, `${line}\n`);
}

/** Says what is wrong and what to do, then ends with exit code 2: the machine is not ready. */
export function stop(lines: readonly string[]): never {
  for (const line of lines) complain(line);
  Deno.exit(2);
}
