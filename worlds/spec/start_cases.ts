/** Programs that can be started and programs that cannot, each with the sentence that says why. */
import { join } from "node:path";

type Content = string | Uint8Array | null;

/** Octets in the guise of Latin-1; null: a folder. */
export async function writeProgramFile(
  dir: string,
  name: string,
  content: Content,
  mode = 0o755,
): Promise<void> {
  const path = join(dir, name);
  if (content === null) return await Deno.mkdir(path, { recursive: true });
  await Deno.mkdir(join(path, ".."), { recursive: true });
  const bytes = typeof content === "string"
    ? Uint8Array.from(content, (char) => char.charCodeAt(0))
    : content;
  await Deno.writeFile(path, bytes, { mode });
}

export interface StartCase {
  files: Record<string, Content>;
  mode?: number;
  entrypoint?: string;
  env?: Record<string, string>;
}

export const main = (content: Content): StartCase => ({ files: { main: content } });

interface Elf {
  machine?: number;
  bits?: 1 | 2;
  type?: number;
  loader?: string | null;
  /** Where the loader's name is said to stand. */
  loaderAt?: bigint;
  /** Bytes that the file says it has. */
  size?: number;
}

const OWN_MACHINE = Deno.build.arch === "x86_64" ? 62 : 183;

/** A program's headers, and nothing that would run. */
export function elf(
  { machine = OWN_MACHINE, bits = 2, type = 3, loader = null, loaderAt = 400n, size = 512 }: Elf,
) {
  const bytes = new Uint8Array(512);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, bits, 1, 1]);
  view.setUint16(16, type, true);
  view.setUint16(18, machine, true);
  view.setBigUint64(32, 64n, true);
  view.setUint16(54, 56, true);
  const loads = [1, 0n, size] as const;
  const headers = loader === null ? [loads] : [loads, [3, loaderAt, loader.length + 1] as const];
  view.setUint16(56, headers.length, true);
  headers.forEach(([kind, offset, length], index) => {
    const at = 64 + 56 * index;
    view.setUint32(at, kind, true);
    view.setBigUint64(at + 8, offset, true);
    view.setBigUint64(at + 32, BigInt(length), true);
  });
  if (loader !== null) bytes.set(new TextEncoder().encode(loader), 400);
  return bytes;
}

export const REFUSED: readonly [string, StartCase, RegExp][] = [
  [
    "nothing of that name",
    { files: { "main.py": "#!/bin/sh\n" } },
    /^the program has no file main$/,
  ],
  ["a folder", main(null), /^main is a folder$/],
  ["an empty file", main(""), /^main is empty$/],
  ["not executable", { ...main("#!/bin/sh\n"), mode: 0o644 }, /^main is not executable$/],
  ["Windows line ends", main("#!/bin/sh\r\necho hi\r\n"), /^the first line of main ends in CR/],
  ["Windows line ends, env", main("#!/usr/bin/env node\r\n"), /ends in CR/],
  ["line ends of an old Mac", main("#!/bin/sh\recho hi\r"), /ends in CR/],
  ["no #!", main("echo hi\n"), /^main is a script without #!$/],
  [".env", { files: { ".env": "A=1\n" }, entrypoint: ".env" }, /^\.env is a script without #!$/],
  [
    "a misspelt interpreter",
    main("#!/usr/bin/pyton3\n"),
    /^the interpreter of main, \/usr\/bin\/pyton3, is not installed/,
  ],
  [
    "one that env cannot find",
    main("#!/usr/bin/env pyton\n"),
    /interpreter of main, pyton, is not/,
  ],
  ["one for env -S", main("#!/usr/bin/env -S pyton -u\n"), /interpreter of main, pyton, is not/],
  ["two words for env", main("#!/usr/bin/env python3 -u\n"), /one program called "python3 -u"$/],
  ["env for nothing", main("#!/usr/bin/env\n"), /names nothing for env to start$/],
  ["#! for nothing", main("#!\necho\n"), /names no interpreter$/],
  ["an interpreter at home", main("#!/home/ana/venv/bin/python\n"), /is not where programs see it/],
  ["one above the system", main("#!/usr/../home/python\n"), /is not where programs see it/],
  ["a relative interpreter", main("#!python3\n"), /python3, is no absolute path/],
  ["a missing one of its own", main("#!/app/bin/tool\n"), /no executable file of the program$/],
  [
    "one of its own without its own",
    { files: { main: "#!/app/bin/run -e\n", "bin/run": "#!/usr/bin/env pyton\n" } },
    /interpreter of main, pyton, is not installed/,
  ],
  ["a line that is too long", main(`#!/${"x".repeat(300)}\n`), /longer than the 256 bytes/],
  ["a byte order mark", main("\xef\xbb\xbf#!/bin/sh\n"), /begins with a byte order mark/],
  ["a blank line first", main("\n#!/bin/sh\n"), /does not stand at its very beginning$/],
  ["UTF-16", main("\xff\xfe#\0!\0"), /is text in UTF-16$/],
  ["Windows", main("MZ\x90\0"), /is a program for Windows$/],
  ["macOS", main("\xcf\xfa\xed\xfe\x07"), /is a program for macOS$/],
  ["Java", main("\xca\xfe\xba\xbe\0\0\0\x41"), /is a Java class/],
  ["WebAssembly", main("\0asm\x01\0\0\0"), /is WebAssembly/],
  ["a jar", main("PK\x03\x04"), /is a zip or jar/],
  ["what is nothing", main("\x01\x02\0\x03"), /neither a program for Linux nor a script$/],
  ["half a header", main("\x7fELF\x02\x01"), /is cut off$/],
  ["RISC-V", main(elf({ machine: 243 })), /^main is built for riscv \(64 bits\), it would run on/],
  ["the other of both", main(elf({ machine: 245 - OWN_MACHINE })), /^main is built for/],
  ["32 bits", main(elf({ machine: 3, bits: 1 })), /^main is built for i386 \(32 bits\)/],
  ["an object file", main(elf({ type: 1 })), /is not linked/],
  ["a name beyond its end", main(elf({ loader: "/x", loaderAt: 2n ** 64n - 1n })), /the loader ,/],
  ["half its headers", main(elf({}).subarray(0, 100)), /^main is cut off: 100 of 120 bytes/],
  ["half a file", main(elf({ size: 4_000 })), /^main is cut off: 512 of 4000 bytes are there$/],
  [
    "NixOS's loader",
    main(elf({ loader: "/nix/store/x/ld.so" })),
    /needs the loader \/nix\/store\/x\/ld\.so/,
  ],
  [
    "a loader nobody has",
    main(elf({ loader: "/lib/ld-other.so.9" })),
    /needs the loader \/lib\/ld-other/,
  ],
];

const LOADER = Deno.build.arch === "x86_64"
  ? "/lib64/ld-linux-x86-64.so.2"
  : "/lib/ld-linux-aarch64.so.1";

export const STARTED: readonly [string, StartCase][] = [
  ["a script", main("#!/bin/sh\n")],
  ["a script without a last line end", main("#!/bin/sh")],
  ["env", main("#! /usr/bin/env sh\n")],
  ["env -S", main("#!/usr/bin/env -S sh -eu\n")],
  [
    "env with a search path of its own",
    { files: { main: "#!/usr/bin/env own\n", own: "#!/bin/sh\n" }, env: { PATH: "/app" } },
  ],
  ["an interpreter of its own", { files: { main: "#!/app/bin/sh\n", "bin/sh": "#!/bin/sh\n" } }],
  ["a relative one of its own", { files: { main: "#!bin/sh\n", "bin/sh": "#!/bin/sh\n" } }],
  ["a static program", main(elf({}))],
  ["a dynamic program", main(elf({ loader: LOADER }))],
  ["its own loader", { files: { main: elf({ loader: "/app/ld.so" }), "ld.so": elf({}) } }],
  ["in a folder", { files: { "bin/run": "#!/bin/sh\n" }, entrypoint: "./bin/run" }],
];
