/** What programs are written in, and call: which families are looked for, and how each is asked. */
import type { Runtime } from "../../runtime.ts";

/** By family; the arguments that make one of it say its version, null: it has none to say. */
type Table = Readonly<Record<string, string | null>>;

const INTERPRETERS: Table = {
  sh: null,
  bash: "--version",
  dash: null,
  ksh: "--version",
  zsh: "--version",
  fish: "--version",
  busybox: "--help",
  awk: "-W version",
  gawk: "--version",
  mawk: "-W version",
  python: "--version",
  pypy: "--version",
  uv: "--version",
  node: "--version",
  nodejs: "--version",
  deno: "--version",
  bun: "--version",
  perl: "-v",
  ruby: "--version",
  php: "--version",
  "php-cgi": "--version",
  java: "-version",
  lua: "-v",
  luajit: "-v",
  tclsh: "/dev/stdin",
  guile: "--version",
  racket: "--version",
  sbcl: "--version",
  R: "--version",
  Rscript: "--version",
  julia: "--version",
  octave: "--version",
  ocaml: "-version",
  runghc: "--version",
  go: "version",
  tcc: "-v",
  escript: null,
  elixir: "--version",
  scala: "-version",
  groovy: "--version",
  dotnet: "--version",
  pwsh: "--version",
  raku: "--version",
};

/** What programs start, and are not written in. */
const TOOLS: Table = {
  jq: "--version",
  yq: "--version",
  make: "--version",
  curl: "--version",
  wget: "--version",
  git: "--version",
  ssh: "-V",
  psql: "--version",
  mysql: "--version",
  sqlite: "--version",
  openssl: "version",
  ffmpeg: "-version",
  convert: "-version",
  pandoc: "--version",
};

export const RUNTIME_TABLE: Table = { ...INTERPRETERS, ...TOOLS };

export function kindOf(family: string): Runtime["kind"] {
  return Object.hasOwn(TOOLS, family) ? "tool" : "interpreter";
}

/** What those that read a program, and know no flag, are given to read. */
export const VERSION_PROGRAM = "puts $tcl_patchLevel";
