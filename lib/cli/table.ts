/**
 * Every command by name. A command's module is loaded only when it is used, so that `help` starts
 * without the chain library.
 */
import type { CommandEntry } from "./command.ts";

export const COMMANDS: readonly CommandEntry[] = [
  {
    name: "init",
    group: "provider",
    summary: "make keys and a configuration, for yourself or for a provider",
    load: async () => (await import("./init.ts")).init,
  },
  {
    name: "doctor",
    group: "provider",
    summary: "look at this machine and say what is missing",
    load: async () => (await import("./doctor.ts")).doctor,
  },
  {
    name: "serve",
    group: "provider",
    summary: "run the provider of this machine",
    load: async () => (await import("./serve.ts")).serve,
  },
  {
    name: "deploy",
    group: "developer",
    summary: "publish a program for a provider to run",
    load: async () => (await import("./deploy.ts")).deploy,
  },
  {
    name: "run",
    group: "developer",
    summary: "call a program in the real sandbox, with curl's flags",
    load: async () => (await import("./run.ts")).run,
  },
  {
    name: "dev",
    group: "developer",
    summary: "serve a program on this machine, anew whenever it changes",
    load: async () => (await import("./dev.ts")).dev,
  },
  {
    name: "deployments",
    group: "developer",
    summary: "what you deployed, with spend and credits left",
    load: async () => (await import("./deployments.ts")).deployments,
  },
  {
    name: "logs",
    group: "developer",
    summary: "how a deployment's runs ended, and their stderr",
    load: async () => (await import("./logs.ts")).logs,
  },
  {
    name: "stop",
    group: "developer",
    summary: "end a deployment at its providers",
    load: async () => (await import("./deployments.ts")).stop,
  },
  {
    name: "inspect",
    group: "developer",
    summary: "show a deployment's spec, secrets masked",
    load: async () => (await import("./deployments.ts")).inspect,
  },
  {
    name: "call",
    group: "payer and caller",
    summary: "curl to a deployment by its provider's name",
    load: async () => (await import("./call.ts")).call,
  },
  {
    name: "register",
    group: "provider",
    summary: "make your name say where you are, under which key, at what price",
    load: async () => (await import("./names.ts")).register,
  },
  {
    name: "keys",
    group: "provider",
    summary: "which keys this machine has, and rotate them",
    load: async () => (await import("./keys.ts")).keys,
  },
  {
    name: "operator",
    group: "provider",
    summary: "let a hot key settle for you, within limits, or stop it",
    load: async () => (await import("./operator.ts")).operator,
  },
  {
    name: "collect",
    group: "provider",
    summary: "send your settled earnings out of the escrow",
    load: async () => (await import("./earnings.ts")).collect,
  },
  {
    name: "collector",
    group: "provider",
    summary: "name the one address that your earnings may go to",
    load: async () => (await import("./earnings.ts")).collector,
  },
  {
    name: "refund",
    group: "provider",
    summary: "give a payer back what it was charged",
    load: async () => (await import("./earnings.ts")).refund,
  },
  {
    name: "ledger",
    group: "provider",
    summary: "print your provider's book: charged, released, settled",
    load: async () => (await import("./ledger.ts")).ledger,
  },
  {
    name: "settle",
    group: "provider",
    summary: "settle what is due now",
    load: async () => (await import("./ledger.ts")).settle,
  },
  {
    name: "assign",
    group: "provider",
    summary: "give a name and all below it to somebody",
    load: async () => (await import("./names.ts")).assign,
  },
  {
    name: "contracts",
    group: "provider",
    summary: "deploy the escrow and the registry to a chain",
    load: async () => (await import("./contracts.ts")).contracts,
  },
  {
    name: "resolve",
    group: "payer and caller",
    summary: "what a provider's name says",
    load: async () => (await import("./names.ts")).resolve,
  },
  {
    name: "deposit",
    group: "payer and caller",
    summary: "put USDC into the escrow",
    load: async () => (await import("./payer.ts")).deposit,
  },
  {
    name: "allow",
    group: "payer and caller",
    summary: "lock credits for a provider",
    load: async () => (await import("./payer.ts")).allow,
  },
  {
    name: "allowance",
    group: "payer and caller",
    summary: "what a provider may still charge you",
    load: async () => (await import("./balance.ts")).allowance,
  },
  {
    name: "balance",
    group: "payer and caller",
    summary: "your wallet, your free balance, what is locked",
    load: async () => (await import("./balance.ts")).balance,
  },
  {
    name: "permit",
    group: "payer and caller",
    summary: "sign a header that pays for calls, or renew a deployment's permit",
    load: async () => (await import("./permit.ts")).permit,
  },
  {
    name: "onboard",
    group: "payer and caller",
    summary: "deposit and allow with one signature and no ETH",
    load: async () => (await import("./onboard.ts")).onboard,
  },
  {
    name: "verify-receipt",
    group: "payer and caller",
    summary: "check a receipt against the chain and the bodies",
    load: async () => (await import("./receipt.ts")).verifyReceipt,
  },
  {
    name: "revoke",
    group: "payer and caller",
    summary: "start to take credits or permits back",
    load: async () => (await import("./exit.ts")).revoke,
  },
  {
    name: "reclaim",
    group: "payer and caller",
    summary: "move thawed credits to your free balance",
    load: async () => (await import("./exit.ts")).reclaim,
  },
  {
    name: "withdraw",
    group: "payer and caller",
    summary: "take your free balance out of the escrow",
    load: async () => (await import("./exit.ts")).withdraw,
  },
  {
    name: "relay",
    group: "payer and caller",
    summary: "send what somebody has signed to leave the escrow",
    load: async () => (await import("./relay.ts")).relay,
  },
  {
    name: "completions",
    group: "everybody",
    summary: "print a completion script for bash, zsh or fish",
    load: async () => (await import("./completions.ts")).completions,
  },
  {
    name: "man",
    group: "everybody",
    summary: "print the manual page",
    load: async () => (await import("./manual.ts")).man,
  },
];
