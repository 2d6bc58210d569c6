/**
 * What the helper is cross-built for arm64 with, on an x86-64 Debian: its compiler for that
 * machine, and the musl of that architecture, which is no package of this one. So apt fetches it
 * with lists of its own: the machine's packages and their lists stay as they are.
 */
import { KhachapuriError } from "../lib/errors.ts";

/** The Debian packages that bring compiler and kernel headers. */
export const CROSS_PACKAGES = ["gcc-aarch64-linux-gnu", "linux-libc-dev-arm64-cross"];

/** Kernel headers of that machine. */
export const CROSS_KERNEL_HEADERS = "/usr/aarch64-linux-gnu/include";

const CACHE = new URL("../.cache/musl-aarch64/", import.meta.url).pathname;
const SPECS = `${CACHE}musl-gcc.specs`;
const MUSL = "musl-dev";

/**
 * Compiles as musl-gcc would there.
 * @throws KhachapuriError `sandbox_unavailable` when the compiler or its musl cannot be had, or
 * when it refuses
 */
export async function crossCompile(args: readonly string[]): Promise<void> {
  await fetchMusl();
  const hints = [`apt-get install --no-install-recommends ${CROSS_PACKAGES.join(" ")}`];
  await run("aarch64-linux-gnu-gcc", ["-specs", SPECS, ...args], hints);
}

/** Unpacked into our cache; done once. */
async function fetchMusl(): Promise<void> {
  if (await Deno.stat(SPECS).then(() => true, () => false)) return;
  const fresh = `${CACHE.slice(0, -1)}.${Deno.pid}`;
  for (const folder of ["lists/partial", "archives/partial"]) {
    await Deno.mkdir(`${fresh}/${folder}`, { recursive: true });
  }
  const own = [
    ...["APT::Architecture=arm64", "APT::Architectures::=arm64", "APT::Sandbox::User=root"],
    ...[`Dir::State=${fresh}`, `Dir::Cache=${fresh}`, "Dir::State::status=/dev/null"],
  ].flatMap((setting) => ["-o", setting]);
  const hints = ["it comes with Debian's packages for arm64: is their server reachable?"];
  await run("apt-get", ["-qq", ...own, "update"], hints);
  await run("apt-get", ["-qq", ...own, "download", MUSL], hints, fresh);
  const names = await Array.fromAsync(Deno.readDir(fresh), ({ name }) => name);
  const archive = names.find((name) => name.endsWith(".deb"))!;
  await run("dpkg-deb", ["-x", archive, "."], hints, fresh);
  await Deno.rename(`${fresh}/usr`, `${fresh}/musl`);
  await writeSpecs(fresh);
  await Deno.remove(CACHE, { recursive: true }).catch(() => {});
  await Deno.rename(fresh, CACHE.slice(0, -1));
}

/** Debian's own name where it is installed; ours lies in the cache. */
async function writeSpecs(fresh: string): Promise<void> {
  const name = "aarch64-linux-musl";
  const text = await Deno.readTextFile(`${fresh}/musl/lib/${name}/musl-gcc.specs`);
  const moved = text.replaceAll(/\/usr\/(include|lib)\//g, `${CACHE}musl/$1/`);
  await Deno.writeTextFile(`${fresh}/musl-gcc.specs`, moved);
}

async function run(
  command: string,
  args: readonly string[],
  hints: readonly string[],
  cwd?: string,
): Promise<void> {
  const options: Deno.CommandOptions = { args: [...args], stdin: "null", ...cwd && { cwd } };
  const output = await new Deno.Command(command, options).output().catch((cause) => {
    throw new KhachapuriError("sandbox_unavailable", `${command} is missing`, { hints, cause });
  });
  if (output.success) return;
  const said = new TextDecoder().decode(output.stderr);
  throw new KhachapuriError("sandbox_unavailable", `${command} failed: ${said}`, { hints });
}
