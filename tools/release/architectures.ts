/**
 * The architectures that a release is for, and the runtime that each gets: from npm, by version,
 * and by what it has to be. To change the version: `npm view @deno/linux-x64-glibc@V dist` tells
 * each package's integrity, and `deno task release` then says the SHA-256 that it found.
 */

/** As in a package's name: khachapuri-VERSION-linux-NAME. */
export type ArchitectureName = "x86_64" | "arm64";

export interface Architecture {
  readonly name: ArchitectureName;
  /** npm's name of the package with deno in it. */
  readonly denoPackage: string;
  /** Of that package's archive, as npm states it (Subresource Integrity). */
  readonly integrity: string;
  /** Of the executable in it; hex. */
  readonly sha256: string;
  /** What `Deno.build.arch` is there. */
  readonly arch: typeof Deno.build.arch;
}

/** Bundles as well: the same release can be built by this deno alone. */
export const DENO_VERSION = "2.9.6";

export const ARCHITECTURES: readonly Architecture[] = [
  {
    name: "x86_64",
    denoPackage: "@deno/linux-x64-glibc",
    integrity:
      "sha512-3md4TKLCuzsLDmfOoC5KN7NAZaxSVkMgm64vg6foD00JBADCpYS2/5QqXfzgnP5ZQz3iLP9vBQJtEgc116OAoQ==",
    sha256: "bceb5b6a6239b0b010418406d8c77a508f67cf4337d94288f1c19fe71304aab0",
    arch: "x86_64",
  },
  {
    name: "arm64",
    denoPackage: "@deno/linux-arm64-glibc",
    integrity:
      "sha512-poqhoH9B3nYloigEMPT5t8HY+wBeiuea1An5Q7fqgJzP0SYmWsoS/oUnWO/pEiA4ofzIBy1Elt/in58xKtxEoQ==",
    sha256: "d08d392418df53f4e6e88a08909c0e1bccbf9adcead7232df72b6ad6075ec416",
    arch: "aarch64",
  },
];
