/** What the first bytes of a file say of how Linux starts it: execve(2), binfmt_script, elf(5). */

import { Buffer } from "node:buffer";

/** Processors that providers have, as `Deno.build.arch` calls them. */
export type Machine = "x86_64" | "aarch64";

export type Executable =
  | {
    kind: "script";
    /** As it is written, with what carriage returns it holds. */
    interpreter: string;
    /** All of the rest of the line: Linux passes it as one argument. */
    argument: string;
    /** Whether Linux, which reads 256 bytes, sees the end of the interpreter's name. */
    isShort: boolean;
  }
  | {
    kind: "elf";
    /** 32 or 64. */
    bits: number;
    machine: string;
    isLinked: boolean;
    /** Where in the file the dynamic loader's name stands; null for a static program. */
    loader: { offset: number; size: number } | null;
    /** Bytes that the file must have. */
    size: number;
  }
  | { kind: "foreign"; what: string }
  | { kind: "text"; language: string | null };

/** Enough of a file for `readExecutable`. */
export const EXECUTABLE_HEAD_BYTES = 4096;

/** @param head the file's first `EXECUTABLE_HEAD_BYTES`, or all of it; not empty */
export function readExecutable(head: Uint8Array): Executable {
  const text = Buffer.from(head.subarray(0, EXECUTABLE_HEAD_BYTES)).toString("latin1");
  if (text.startsWith("#!")) return readScript(text.slice(0, SCRIPT_BYTES));
  if (text.startsWith("\x7fELF") && head.length >= 64) return readElf(head);
  const what = foreignKind(text);
  if (what !== null) return { kind: "foreign", what };
  const language = LANGUAGES.find(({ looks }) => looks.test(text))?.command ?? null;
  return { kind: "text", language };
}

/** BINPRM_BUF_SIZE of include/uapi/linux/binfmts.h. */
const SCRIPT_BYTES = 256;

function readScript(text: string): Executable {
  const end = text.indexOf("\n");
  const line = text.slice(2, end < 0 ? undefined : end).replace(/^[ \t]+/, "");
  const [interpreter = ""] = line.split(/[ \t\0]/);
  const argument = line.slice(interpreter.length).replace(/^[ \t]+|[ \t]+$/g, "");
  const isShort = end >= 0 || text.length < SCRIPT_BYTES || interpreter.length < line.length;
  return { kind: "script", interpreter, argument, isShort };
}

const MACHINES: Readonly<Record<number, string>> = {
  3: "i386",
  8: "mips",
  20: "powerpc",
  21: "powerpc64",
  22: "s390x",
  40: "arm",
  62: "x86_64",
  183: "aarch64",
  243: "riscv",
  258: "loongarch",
};

const [ET_EXEC, ET_DYN] = [2, 3];
const [PT_LOAD, PT_INTERP] = [1, 3];
const PROGRAM_HEADER_BYTES = 56;

/** The fields that matter, of a 64-bit file; others are never started. */
function readElf(head: Uint8Array): Executable {
  const view = new DataView(head.buffer, head.byteOffset, head.length);
  const isLittle = view.getUint8(5) === 1;
  const bits = view.getUint8(4) === 1 ? 32 : 64;
  const type = view.getUint16(16, isLittle);
  const id = view.getUint16(18, isLittle);
  const machine = MACHINES[id] ?? `machine ${id}`;
  const elf = {
    kind: "elf" as const,
    bits,
    machine,
    isLinked: type === ET_EXEC || type === ET_DYN,
  };
  let [size, loader]: [number, { offset: number; size: number } | null] = [head.length, null];
  if (bits === 64) {
    const big = (at: number) => Number(view.getBigUint64(at, isLittle));
    const [table, count] = [big(32), view.getUint16(56, isLittle)];
    size = Math.max(size, table + count * PROGRAM_HEADER_BYTES);
    for (let index = 0, at = table; index < count; index++, at += PROGRAM_HEADER_BYTES) {
      if (at + PROGRAM_HEADER_BYTES > head.length) break;
      const kind = view.getUint32(at, isLittle);
      const [offset, bytes] = [big(at + 8), big(at + 32)];
      if (kind === PT_INTERP) loader = { offset, size: bytes };
      if (kind === PT_LOAD) size = Math.max(size, offset + bytes);
    }
  }
  return { ...elf, loader, size };
}

/** Magic numbers of what Linux starts not at all, or not by itself. */
const FOREIGN: readonly (readonly [what: string, ...beginnings: string[]])[] = [
  ["a program for Linux that is cut off", "\x7fELF"],
  ["a script that begins with a byte order mark, before its #!", "\xef\xbb\xbf#!"],
  ["text in UTF-16", "\xff\xfe", "\xfe\xff"],
  ["a program for Windows", "MZ"],
  ["a program for macOS", "\xcf\xfa\xed\xfe", "\xce\xfa\xed\xfe", "\xfe\xed\xfa"],
  ["a program for macOS", "\xca\xfe\xba\xbe\0\0\0\x01", "\xca\xfe\xba\xbe\0\0\0\x02"],
  ["a Java class, which java has to start", "\xca\xfe\xba\xbe"],
  ["WebAssembly, which a runtime has to start", "\0asm"],
  ["a zip or jar, which something has to start", "PK\x03\x04"],
  ["compressed", "\x1f\x8b", "BZh", "\xfd7zXZ", "\x28\xb5\x2f\xfd"],
  ["a static library", "!<arch>"],
];

/** Text has no NUL, least of all near its beginning. */
const TEXT_BYTES = 512;

function foreignKind(text: string): string | null {
  const magic = FOREIGN.find(([, ...beginnings]) =>
    beginnings.some((each) => text.startsWith(each))
  );
  if (magic) return magic[0];
  if (/^\s+#!/.test(text)) return "a script whose #! does not stand at its very beginning";
  const isText = !text.slice(0, TEXT_BYTES).includes("\0");
  return isText ? null : "neither a program for Linux nor a script";
}

/** What a script without its first line may be written in, and what starts it. */
const LANGUAGES: readonly { looks: RegExp; command: string }[] = [
  { looks: /^<\?php/, command: "php" },
  { looks: /^(from \S+ )?import \S+|^def \w+\(|^print\(/m, command: "python3" },
  {
    looks: /\brequire\(["']|^(const|let|var) |^import .* from ["']|\bconsole\.log\(/m,
    command: "node",
  },
  { looks: /^use (strict|warnings)\b|^my [$@%]/m, command: "perl" },
  { looks: /^(echo|printf|cat|set|if \[|for \w+ in|export) ?/m, command: "sh" },
];
