/**
 * Scripts for root of an emulated machine, over a port of virtio's: the guest's end is a service of
 * a few lines of sh, so that nothing of ours, and no server, has to be on the machine before.
 */
import { Buffer } from "node:buffer";
import { join } from "node:path";

/** What a script came to. */
export interface Pasted {
  readonly code: number;
  /** Its stdout and stderr. */
  readonly said: string;
}

export interface Agent extends AsyncDisposable {
  /** Runs a script as root, in root's home. */
  paste(script: string): Promise<Pasted>;
  /** Resolves when the machine has come up once more: call it before what has it go down. */
  nextReady(): Promise<void>;
}

const READY = "ready";

/** A line a script, in base64, and a line an answer: exit code, then base64. */
const PROGRAM = `#!/bin/sh
until [ -c /dev/virtio-ports/agent ]; do sleep 0.2; done
exec 3<>/dev/virtio-ports/agent
echo ${READY} >&3
cd /root
export HOME=/root NO_COLOR=1 LC_ALL=C.UTF-8
while read -r script <&3; do
  echo "$script" | base64 -d >/run/agent.sh
  code=0
  sh -eu /run/agent.sh >/run/agent.said 2>&1 </dev/null 3>&- || code=$?
  echo "$code $(base64 -w0 /run/agent.said)" >&3
done
`;

/** Up when the machine is, as whoever logs in finds it; what it starts may outlive it. */
const UNIT = `[Unit]
Description=Runs scripts of the test
[Service]
ExecStart=/opt/agent
KillMode=process
[Install]
WantedBy=multi-user.target
`;

/** Puts the guest's end into a root file system. */
export async function addAgent(root: string): Promise<void> {
  await Deno.writeTextFile(join(root, "opt/agent"), PROGRAM, { mode: 0o755 });
  const units = join(root, "etc/systemd/system");
  await Deno.writeTextFile(join(units, "agent.service"), UNIT);
  await Deno.mkdir(join(units, "multi-user.target.wants"), { recursive: true });
  const link = join(units, "multi-user.target.wants/agent.service");
  await Deno.symlink("../agent.service", link);
}

/** Of qemu's command line. */
export function agentDevice(socket: string): string[] {
  return [
    ...["-chardev", `socket,id=agent,path=${socket},server=on,wait=off`],
    ...["-device", "virtio-serial-pci", "-device", "virtserialport,chardev=agent,name=agent"],
  ];
}

/** @param socket at which qemu listens already */
export async function openAgent(socket: string): Promise<Agent> {
  const connection = await Deno.connect({ transport: "unix", path: socket });
  let ready = Promise.withResolvers<void>();
  let answer = Promise.withResolvers<string>();
  const hearing = (async () => {
    let rest = "";
    for await (const text of connection.readable.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      for (const line of lines) {
        if (line === READY) ready.resolve();
        else answer.resolve(line);
      }
    }
    const ended = new Error("the machine has ended");
    answer.reject(ended);
    ready.reject(ended);
  })();
  for (const { promise } of [ready, answer]) promise.catch(() => {});
  const writer = connection.writable.getWriter();
  return {
    async paste(script) {
      await ready.promise;
      answer = Promise.withResolvers();
      await writer.write(Buffer.from(`${Buffer.from(script).toString("base64")}\n`));
      const [code = "", said = ""] = (await answer.promise).split(" ");
      return { code: Number(code), said: Buffer.from(said, "base64").toString() };
    },
    async nextReady() {
      ready = Promise.withResolvers();
      await ready.promise;
    },
    async [Symbol.asyncDispose]() {
      await writer.abort().catch(() => {});
      await hearing.catch(() => {});
    },
  };
}
