/**
 * A server to be set up by root, on this machine and apart from it: a mount namespace, in which
 * what is written to /etc, /var/lib and /usr/local/bin goes into memory. Users, their rights and
 * programs are the real ones; systemd, which is not in charge here, and the kernel's settings are
 * stood in for (bin/).
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { complain } from "../../tools/print.ts";
import { makeFolder } from "../home.ts";

const STAND_INS = fileURLToPath(new URL("bin/", import.meta.url));
const WRITTEN = ["etc", "var/lib", "usr/local/bin"];
const REPLACED: Readonly<Record<string, string>> = {
  systemctl: "/usr/bin/systemctl",
  journalctl: "/usr/bin/journalctl",
  sysctl: "/usr/sbin/sysctl",
};

export interface Pasted {
  readonly code: number;
  readonly said: string;
}

export interface Server extends AsyncDisposable {
  /** Runs a script there as root, in a folder of its own. */
  paste(script: string): Promise<Pasted>;
}

/**
 * @param file is put there as `/srv/khachapuri`, where scripts begin
 * @param standIns folders whose programs are found before the system's
 * @returns null, with a word on the console, where that can't be had
 */
export async function openServer(
  file: string,
  standIns: readonly string[] = [],
): Promise<Server | null> {
  if (Deno.uid() !== 0) return without("only root has mount namespaces with users of their own");
  for (const path of Object.values(REPLACED)) {
    if (!await Deno.stat(path).then(() => true, () => false)) return without(`there is no ${path}`);
  }
  await using stack = new AsyncDisposableStack();
  const { dir } = stack.use(await makeFolder());
  const child = new Deno.Command("unshare", {
    args: ["--mount", "--propagation", "private", "sh", "-euc", layOut(dir)],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  stack.defer(async () => {
    await child.stdin.close().catch(() => {});
    await child.status;
  });
  const { value = new Uint8Array() } = await child.stdout.getReader().read();
  if (!new TextDecoder().decode(value).startsWith("ready")) {
    return without("no folder can be laid over another here");
  }
  const paste = (script: string) => enter(child.pid, standIns, script);
  const { code, said } = await paste(`install -m 755 '${file}' /srv/khachapuri`);
  if (code !== 0) throw new Error(said);
  stack.defer(async () => void await paste("systemctl stop khachapuri.service || true"));
  const owned = stack.move();
  return { paste, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

function without(why: string): null {
  complain(`not run: no server to set up, as ${why}`);
  return null;
}

/** Ends when its stdin does. */
function layOut(dir: string): string {
  const over = WRITTEN.map((folder) => {
    const [upper, work] = ["upper", "work"].map((name) => join(dir, folder, name));
    return `mkdir -p '${upper}' '${work}'
mount -t overlay overlay -o 'lowerdir=/${folder},upperdir=${upper},workdir=${work}' /${folder}`;
  });
  const replaced = Object.entries(REPLACED).map(([name, path]) =>
    `mount --bind '${STAND_INS}${name}' ${path}`
  );
  return `mount -t tmpfs -o mode=755 tmpfs '${dir}'
${over.join("\n")}
${replaced.join("\n")}
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=700 tmpfs /root
mount -t tmpfs -o mode=755 tmpfs /srv
mkdir -p /run/systemd/system
echo ready
cat >/dev/null
`;
}

async function enter(pid: number, standIns: readonly string[], script: string): Promise<Pasted> {
  const { code, stdout, stderr } = await new Deno.Command("nsenter", {
    args: [`--mount=/proc/${pid}/ns/mnt`, "sh", "-euc", `cd /srv\n${script}`],
    clearEnv: true,
    env: {
      HOME: "/root",
      NO_COLOR: "1",
      PATH: [...standIns, "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"].join(":"),
    },
    stdin: "null",
  }).output();
  const said = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("");
  return { code, said };
}
