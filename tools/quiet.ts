/** Other programs, heard only when they fail. */

export interface Ended {
  readonly isDone: boolean;
  /** What it printed, both streams. */
  readonly said: string;
}

/** Runs it to its end, without input. */
export async function runQuietly(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const { success, stdout, stderr } = await new Deno.Command(command, {
    args: [...args],
    env,
    stdin: "null",
  }).output();
  const said = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("");
  return { isDone: success, said: said.trimEnd() };
}
