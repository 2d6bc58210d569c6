/** Programs in C that need no libraries where they run. */

const FLAGS = ["-O2", "-static", "-s"];

/** Builds one at `path`, which it returns. @throws Error with what the compiler said */
export async function buildStatic(path: string, source: string): Promise<string> {
  const child = new Deno.Command("musl-gcc", {
    args: [...FLAGS, "-o", path, "-x", "c", "-"],
    stdin: "piped",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const [{ success, stderr }] = await Promise.all([child.output(), feed(child.stdin, source)]);
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return path;
}

/** A compiler that has failed takes no more. */
async function feed(stdin: WritableStream<Uint8Array>, source: string): Promise<void> {
  await new Response(source).body!.pipeTo(stdin).catch(() => {});
}
