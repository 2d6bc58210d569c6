/** What the exit codes mean, by kind of failure; lib/errors.ts says which error has which. */
export const EXIT_KINDS: Readonly<Record<number, string>> = {
  0: "done",
  1: "unexpected failure: a bug; KHACHAPURI_TRACE=1 shows where",
  2: "the command line is wrong",
  3: "something given is malformed: a file, a cid, a spec, the configuration",
  4: "it does not exist, or no longer",
  5: "payment: not enough, not accepted, or refused by the contract",
  6: "keys and rights: a key file that others can read, an account that may not",
  7: "something is unreachable or busy: try again",
  8: "the program's own failure, timeout or limit",
};
