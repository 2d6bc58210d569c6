/**
 * What a command of the command line is. A command parses nothing itself and holds no logic: it
 * takes checked arguments, calls the library and prints through `context.out`.
 */
import type { LocalAccount } from "viem";
import type { Config, Contracts } from "../config.ts";
import type { Chain } from "../chain/client.ts";
import type { KeyFile } from "../spec/keys.ts";
import type { Output } from "./output.ts";
import type { World } from "./world.ts";

/** One flag. A `string` flag takes a value, shown in the help as `value`. */
export type Option =
  & { readonly description: string; readonly short?: string }
  & (
    | { readonly type: "boolean" }
    | {
      readonly type: "string";
      readonly value: string;
      /** What the value may be, where it is one of a few words. */
      readonly choices?: readonly string[];
      /** May be given more than once; arrives as an array, empty when absent. */
      readonly multiple?: true;
      /** Its JSON may be given instead: an object in `khachapuri.json`. */
      readonly json?: true;
      /** Its absence is a usage error. */
      readonly required?: true;
    }
  );

export type OptionTable = { readonly [name: string]: Option };

type OptionValue<O extends Option> = O extends { type: "boolean" } ? boolean
  : O extends { multiple: true } ? string[]
  : O extends { required: true } ? string
  : string | undefined;

/** What a command is handed: its own flags by name, and everything that is not a flag. */
export interface Arguments<O extends OptionTable> {
  readonly options: { readonly [K in keyof O]: OptionValue<O[K]> };
  readonly positionals: readonly string[];
  /** Only for a `rawArgs` command: everything from the first argument that is not our flag. */
  readonly raw: readonly string[];
}

export interface Command<O extends OptionTable = OptionTable> {
  /** What follows the command's name, e.g. "NAME/CID[/path] [curl flags]". */
  readonly usage: string;
  /** Paragraphs below the summary in `--help`. */
  readonly details?: readonly string[];
  /** Whole command lines, without the leading "khachapuri ". */
  readonly examples: readonly string[];
  readonly options: O;
  /** What its first positional may be, where that is one of a few words. */
  readonly choices?: readonly string[];
  /** How many positionals it takes; checked before `run`. Not used with `rawArgs`. */
  readonly positionals?: { readonly min: number; readonly max: number };
  /**
   * The command understands another program's flags (curl's): ours come first, and from the first
   * argument that is not one of ours everything is handed over untouched as `raw`.
   */
  readonly rawArgs?: true;
  /** With `rawArgs`: the first of `raw` is a folder, and curl's flags come behind it. */
  readonly isFolderFirst?: true;
  /** @returns an exit code, where it is another process's; else it is 0 */
  run(context: CommandContext, args: Arguments<O>): Promise<void | number>;
}

/** A command of the table. */
export interface CommandEntry {
  readonly name: string;
  /** The heading it stands under in `help`. */
  readonly group: "provider" | "developer" | "payer and caller" | "everybody";
  /** One line, no full stop. */
  readonly summary: string;
  load(): Promise<Command>;
}

/** What a command may use; everything that costs time is loaded on the first call. */
export interface CommandContext {
  readonly world: World;
  readonly out: Output;
  /** Every command there is. */
  readonly commands: readonly CommandEntry[];
  /** `--home`, KHACHAPURI_HOME or ~/.khachapuri; absolute. */
  readonly home: string;
  /** The flags that every command takes, as given. */
  readonly flags: CommonFlags;
  /** The key file's path: `--keys` or `<home>/keys.json`; absolute. */
  readonly keysPath: string;
  /** `<home>/config.json` with `--rpc`, `--gateway` and `--kubo` laid over it. */
  config(): Promise<Config>;
  /** The key file. @throws KhachapuriError `insecure_key_file`, `not_found` */
  keyFile(): Promise<KeyFile>;
  /**
   * The account that signs: the key file's, or one typed into a hidden prompt on a terminal.
   * @throws KhachapuriError `access_denied` when there is neither
   */
  account(): Promise<LocalAccount>;
  /** The chain behind `rpc`. @throws KhachapuriError `invalid_config`, `chain_unavailable` */
  chain(): Promise<Chain>;
  /** Contracts of that chain: ours, the config's, then `--escrow` and `--registry`. */
  contracts(): Promise<Contracts>;
  /**
   * Asks yes or no on the terminal.
   * @throws KhachapuriError `usage` with `hint` when there is no terminal to ask on
   */
  confirm(question: string, hint: string): Promise<boolean>;
}

export interface CommonFlags {
  readonly home?: string;
  readonly json: boolean;
  readonly rpc: readonly string[];
  readonly gateway: readonly string[];
  readonly kubo?: string;
  readonly escrow?: string;
  readonly registry?: string;
  readonly keys?: string;
}

/** Names the option table's type once, so that `run` sees its flags typed. */
export function defineCommand<const O extends OptionTable>(command: Command<O>): Command<O> {
  return command;
}
