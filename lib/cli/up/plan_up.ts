/** What has to be done to a machine for a provider to serve from it: from facts and answers. */
import { join } from "node:path";
import { KhachapuriError } from "../../errors.ts";
import { RUN_TIMEOUT_MS } from "../../limits.ts";
import { changedFields } from "../config_file.ts";
import type { ServiceShape } from "../systemd_unit.ts";
import type { WholeAnswers } from "./answers.ts";
import type { Facts } from "./machine_facts.ts";
import { fileState } from "./made_file.ts";
import { configAfter, providerFields, socketsOf } from "./provider_fields.ts";
import type { Step } from "./steps.ts";
import {
  needsProfile,
  PROFILE_PATH,
  PROGRAM_PATH,
  SERVICE,
  SOCKETS,
  SYSCTL_PATH,
  UNIT_FOLDER,
  type WantedFiles,
  wantedFiles,
} from "./system_files.ts";

export interface PlanOptions {
  /** Leaves files that somebody has changed as they are. */
  readonly keepsForeign: boolean;
  /** A text of terms to begin with. */
  readonly terms: string | null;
}

const HOME_MODE = 0o711;

/**
 * @returns what is to be done, in order; nothing where all is as it should be
 * @throws KhachapuriError `invalid_input` for what is somebody else's: a file of the system's that
 * was changed, a folder, other terms; `usage` where there is no program to install
 */
export function planUp(facts: Facts, answers: WholeAnswers, options: PlanOptions): Step[] {
  const { home } = facts;
  assertOurHome(facts);
  assertSameTerms(facts, options.terms);
  const shape = shapeOf(facts, answers);
  const wanted = wantedFiles(shape, facts.settings, facts.files.get(SYSCTL_PATH) ?? null);
  const files = settleFiles(facts, wanted, options.keepsForeign);
  const program = programSteps(facts);
  const configure = configureSteps(facts, answers, options.terms);
  const termsPath = join(home, facts.config.provider?.terms[0] ?? "terms.txt");
  return [
    ...packageSteps(facts),
    ...userSteps(facts),
    ...program,
    ...profileSteps(facts, files),
    ...sysctlSteps(facts, files),
    ...configure,
    ...options.terms === null && facts.terms !== "own"
      ? [{ kind: "terms" as const, path: termsPath }]
      : [],
    ...unitSteps(facts, files, wanted, {
      isProgramNew: program.length > 0,
      isConfigNew: configure.length > 0,
    }),
  ];
}

/** @throws KhachapuriError `invalid_input` for a folder that holds something else */
function assertOurHome({ home, homeFolder, user, config }: Facts): void {
  const isOurs = homeFolder === null || homeFolder.isEmpty || config.provider !== undefined ||
    homeFolder.uid === user?.uid;
  if (isOurs) return;
  throw new KhachapuriError("invalid_input", `${home} is a folder of something else`, {
    hints: ["name another home: --home DIR"],
  });
}

/** What was signed stays: another text is a file beside it. */
function assertSameTerms({ home, terms, termsText }: Facts, given: string | null): void {
  if (given === null || terms !== "own" || termsText === given) return;
  throw new KhachapuriError("invalid_input", "this provider has other terms already", {
    hints: [
      `copy the new ones into ${home}, then: ` +
      `runuser -u khachapuri -- khachapuri init --home ${home} --terms FILE`,
    ],
  });
}

/**
 * The service as these answers want it: runs may go on for their time and that of one credit, the
 * last of which begin as it has drained.
 */
export function shapeOf(facts: Facts, answers: WholeAnswers): ServiceShape {
  const { sandbox = {}, drainSeconds = 0 } = facts.config.provider ?? {};
  const { timeoutMs = RUN_TIMEOUT_MS } = sandbox;
  return {
    home: facts.home,
    sockets: socketsOf(answers),
    runsSeconds: drainSeconds + Math.ceil(timeoutMs * 2 / 1_000),
  };
}

function packageSteps({ packages }: Facts): Step[] {
  if (packages.length === 0) return [];
  const install = ["apt-get", "-q", "-y", "--no-install-recommends", "install", ...packages];
  return [{ kind: "tool", words: ["apt-get", "-q", "update"] }, { kind: "tool", words: install }];
}

function userSteps({ home, user, homeFolder }: Facts): Step[] {
  const isHomeGood = user !== null && homeFolder?.uid === user.uid && homeFolder.mode === HOME_MODE;
  const shell = ["--shell", "/usr/sbin/nologin", "khachapuri"];
  const useradd = ["useradd", "--system", "--no-create-home", "--home-dir", home, ...shell];
  return [
    ...user === null ? [{ kind: "tool" as const, words: useradd }] : [],
    ...isHomeGood ? [] : [{ kind: "home" as const, path: home, mode: HOME_MODE }],
  ];
}

/** @throws KhachapuriError `usage` where there is nothing to install, and nothing installed */
function programSteps({ own, installed }: Facts): Step[] {
  if (own !== null && own !== installed) return [{ kind: "install", path: PROGRAM_PATH }];
  if (installed !== null) return [];
  throw new KhachapuriError("usage", "up installs the packaged file, and this runs from sources", {
    hints: ["deno task package, and on the server: ./khachapuri up"],
  });
}

type Change = {
  readonly path: string;
  readonly text: string | null;
  readonly before: string | null;
};

/** Files that become others; text null: they go. */
function settleFiles({ files }: Facts, wanted: WantedFiles, keepsForeign: boolean): Change[] {
  const changes = [...wanted].flatMap(([path, text]): (Change & { isForeign: boolean })[] => {
    const before = files.get(path) ?? null;
    const state = fileState(before, text);
    if (state === "same" || (state === "absent" && text === null)) return [];
    return [{ path, text, before, isForeign: state === "foreign" }];
  });
  const foreign = changes.filter(({ isForeign }) => isForeign).map(({ path }) => path);
  if (foreign.length > 0 && !keepsForeign) throw changedByHand(foreign);
  return changes.filter(({ isForeign }) => !isForeign);
}

/** @param paths of files that say something else than what was made there */
export function changedByHand(paths: readonly string[]): KhachapuriError {
  const message = `somebody has changed ${paths.join(", ")}, and nothing was done`;
  return new KhachapuriError("invalid_input", message, {
    hints: [
      "move them away, and keep your changes in a drop-in: systemctl edit khachapuri",
      "or leave them as they are: --keep",
    ],
  });
}

function fileSteps(changes: readonly Change[], isOne: (path: string) => boolean): Step[] {
  return changes.filter(({ path }) => isOne(path)).map(({ path, text, before }) =>
    text === null ? { kind: "remove", path } : { kind: "write", path, text, before }
  );
}

function profileSteps({ settings }: Facts, changes: readonly Change[]): Step[] {
  const files = fileSteps(changes, (path) => path === PROFILE_PATH);
  const isLoaded = settings.hasProfile === true;
  const isNeeded = needsProfile(settings) && (files.length > 0 || !isLoaded);
  const load: Step = { kind: "tool", words: ["apparmor_parser", "-r", PROFILE_PATH] };
  const unload: Step = { kind: "tool", words: ["apparmor_parser", "-R", PROFILE_PATH] };
  if (isNeeded) return [...files, load];
  return files.length > 0 && isLoaded ? [unload, ...files] : files;
}

function sysctlSteps({ settings }: Facts, changes: readonly Change[]): Step[] {
  const files = fileSteps(changes, (path) => path === SYSCTL_PATH);
  const isOff = settings.migrateReq === "0" || settings.usernsClone === "0";
  if (!isOff && files.length === 0) return [];
  return [...files, { kind: "tool", words: ["sysctl", "-q", "-p", SYSCTL_PATH] }];
}

function configureSteps(facts: Facts, answers: WholeAnswers, terms: string | null): Step[] {
  const { home, config, hasKeys } = facts;
  const changes = changedFields(config, configAfter(config, answers));
  const named = contractFlags(facts, answers);
  const isTermsNew = facts.terms === "absent" || (terms !== null && facts.terms === "example");
  if (changes.length === 0 && named.length === 0 && hasKeys && !isTermsNew) return [];
  const { name, domain, price, address, rpc, gateways = [] } = answers;
  const words = [
    ...["init", "--home", home, "--provider", name, "--domain", domain, "--price", price],
    ...["--address", address],
    ...rpc.flatMap((url) => ["--rpc", url]),
    ...gateways.flatMap((url) => ["--gateway", url]),
    ...named,
    ...["--from", "-", "--json"],
  ];
  const given = { provider: providerFields(answers), ...(terms === null ? {} : { terms }) };
  return [{ kind: "configure", home, words, input: JSON.stringify(given), changes }];
}

/** Contracts that the configuration does not name yet, on whichever chain. */
function contractFlags({ config }: Facts, { escrow, registry }: WholeAnswers): string[] {
  const known = Object.values(config.contracts ?? {});
  const isKnown = known.some((one) =>
    (escrow === undefined || one.escrow === escrow) &&
    (registry === undefined || one.registry === registry)
  );
  if (isKnown) return [];
  return [
    ...escrow === undefined ? [] : ["--escrow", escrow],
    ...registry === undefined ? [] : ["--registry", registry],
  ];
}

/** Whether the provider has to be started anew, or told. */
interface News {
  readonly isProgramNew: boolean;
  readonly isConfigNew: boolean;
}

function unitSteps(
  facts: Facts,
  changes: readonly Change[],
  wanted: WantedFiles,
  { isProgramNew, isConfigNew }: News,
): Step[] {
  const { units } = facts;
  const isUnit = (path: string) => path.startsWith(`${UNIT_FOLDER}/`);
  const isSocket = (path: string) => path.endsWith(".socket");
  const tool = (...words: string[]): Step => ({ kind: "tool", words: ["systemctl", ...words] });
  const files = fileSteps(changes, isUnit);
  const own = [SERVICE, ...SOCKETS.filter((unit) => wanted.get(`${UNIT_FOLDER}/${unit}`))];
  const gone = SOCKETS.filter((unit) => !own.includes(unit) && units.get(unit)?.isEnabled);
  const areSocketsNew = changes.some(({ path }) => isUnit(path) && isSocket(path));
  const isActive = units.get(SERVICE)?.isActive ?? false;
  // A socket can't be opened anew under a service that runs.
  const stopped = areSocketsNew ? own.concat(gone).filter((unit) => units.get(unit)?.isActive) : [];
  const isOutdated = files.length > 0 || [...units.values()].some((unit) => unit.isOutdated);
  const disabled = own.filter((unit) => !units.get(unit)?.isEnabled);
  const sleeping = own.filter((unit) => !units.get(unit)?.isActive || stopped.includes(unit));
  const isNew = isOutdated || isProgramNew || facts.isUnfinished;
  const isRestart = isActive && isNew && !sleeping.includes(SERVICE);
  const isReload = isActive && isConfigNew && !isRestart && !sleeping.includes(SERVICE);
  return [
    ...stopped.length === 0 ? [] : [tool("stop", ...stopped)],
    ...gone.length === 0 ? [] : [tool("disable", ...gone)],
    ...files,
    ...isOutdated ? [tool("daemon-reload")] : [],
    ...disabled.length === 0 ? [] : [tool("enable", ...disabled)],
    ...sleeping.length === 0 ? [] : [tool("start", "--no-block", ...sleeping)],
    ...isRestart ? [tool("restart", "--no-block", SERVICE)] : [],
    ...isReload ? [tool("reload", SERVICE)] : [],
  ];
}
