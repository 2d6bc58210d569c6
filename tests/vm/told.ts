/** How what runs inside an emulated machine tells of its cases: one line each, for emulator.ts. */

/** By what each shows; a case returns a word on how it went. */
export type Cases = Record<string, () => Promise<string>>;

/** Of a failure whose cleaning up failed as well, both. */
function reasonOf(error: unknown): string {
  if (!(error instanceof SuppressedError)) return String(error).replaceAll(/\s+/g, " ");
  return `${reasonOf(error.suppressed)}; then ${reasonOf(error.error)}`;
}

const tell = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`VM ${line}\n`));

/** Runs them one after the other; the last line says `done`. */
export async function tellCases(label: string, cases: Cases): Promise<void> {
  let failures = 0;
  for (const [what, check] of Object.entries(cases)) {
    const startedAt = performance.now();
    try {
      const detail = await check();
      tell(`${label}: ok ${what}: ${detail} (${(performance.now() - startedAt).toFixed(0)} ms)`);
    } catch (error) {
      failures += 1;
      tell(`${label}: FAILED ${what}: ${reasonOf(error)}`);
    }
  }
  tell(`${label}: done ${failures} failed`);
}
