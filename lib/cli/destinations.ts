/** Where a command publishes to: what its flags name, and what config.json lists. */
import { carFolder } from "../client/publishing/car_folder.ts";
import type { Destination } from "../client/publishing/destination.ts";
import { kuboNode } from "../client/publishing/kubo.ts";
import { kuboOrigins } from "../client/publishing/origins.ts";
import { pinata, PINATA_URL } from "../client/publishing/pinata.ts";
import { pinningService } from "../client/publishing/pinning_service.ts";
import { gatewayReadBack, type ReadBack } from "../client/publishing/read_back.ts";
import { type Config, resolveFromHome } from "../config.ts";
import type { PublishEntry } from "../config_publish.ts";
import { KhachapuriError } from "../errors.ts";
import type { Kubo } from "../ipfs/publish.ts";
import { pause } from "../pause.ts";
import { isBare } from "../web_url.ts";
import type { CommandContext } from "./command.ts";
import { flagUrl } from "./context.ts";
import type { PublishingFlags } from "./publishing_flags.ts";
import { readToken } from "./token_file.ts";

const PINATA_VARIABLE = "KHACHAPURI_PINATA_JWT";
const PIN_VARIABLE = "KHACHAPURI_PIN_TOKEN";

type Entry<Kind extends PublishEntry["kind"]> = Extract<PublishEntry, { kind: Kind }>;

/** What is asked for, before any token is read. */
interface Places {
  kubos: readonly Kubo[];
  /** null: none. */
  pinata: Partial<Entry<"pinata">> | null;
  pins: readonly { url: string; tokenFile?: string }[];
}

/**
 * The destinations that flags name and, `withConfigured`, those of config.json. Nothing is asked
 * of any.
 * @throws KhachapuriError `usage`, `invalid_config` when a token is missing; `insecure_key_file`
 */
export async function destinations(
  context: CommandContext,
  flags: PublishingFlags,
  withConfigured: boolean,
): Promise<Destination[]> {
  const config = await context.config();
  const places = placesOf(context, config, flags, withConfigured);
  const readBack = gatewayReadBack(config.gateways, pause);
  const isReadBack = places.kubos.length + places.pins.length > 0 || places.pinata !== null;
  if (isReadBack && config.gateways.length === 0) {
    context.out.note(
      "warning: no gateway is configured; what is not at a provider is not read back",
    );
  }
  return [
    ...flags.out === undefined ? [] : [carFolder(flags.out)],
    ...places.kubos.map((kubo) => kuboNode(kubo, readBack)),
    ...places.pinata === null ? [] : [await pinataOf(context, config, places.pinata, readBack)],
    ...await Promise.all(
      places.pins.map((pin) => pinningOf(context, config, pin, places.kubos, readBack)),
    ),
  ];
}

function placesOf(
  context: CommandContext,
  config: Config,
  flags: PublishingFlags,
  withConfigured: boolean,
): Places {
  const listed = <Kind extends PublishEntry["kind"]>(kind: Kind) =>
    config.publish.filter((entry): entry is Entry<Kind> => entry.kind === kind);
  const [listedPinata = null] = listed("pinata");
  const named = flags.pin.map((given) => {
    const url = pinUrl(given);
    return listed("pinning").find((entry) => entry.url === url) ?? { url };
  });
  const main = config.kubo && (withConfigured || context.flags.kubo) ? [config.kubo] : [];
  if (!withConfigured) {
    return { kubos: main, pinata: flags.pinata ? listedPinata ?? {} : null, pins: named };
  }
  const kubos = [...main, ...listed("kubo").filter(({ url }) => url !== config.kubo?.url)];
  const pins = [...named, ...listed("pinning").filter((entry) => !flags.pin.includes(entry.url))];
  return { kubos, pinata: flags.pinata ? listedPinata ?? {} : listedPinata, pins };
}

/**
 * A deployment's flags are kept for the next one, and told: no secret stands in them.
 * @throws KhachapuriError `usage`
 */
function pinUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || isBare(url)) return flagUrl("--pin", text);
  const place = `${url.origin}${url.pathname}`;
  throw new KhachapuriError("usage", `--pin has a user, a password or a query beside ${place}`, {
    hints: [
      `give --pin ${place}, and the service's token in ${PIN_VARIABLE}`,
      'or in a tokenFile under "publish" in config.json',
    ],
  });
}

async function pinataOf(
  { world }: CommandContext,
  config: Config,
  { url = PINATA_URL, jwtFile }: Partial<Entry<"pinata">>,
  readBack: ReadBack,
): Promise<Destination> {
  const token = world.env(PINATA_VARIABLE) ??
    (jwtFile === undefined ? null : await readToken(resolveFromHome(config, jwtFile)));
  if (token !== null) return pinata({ url, token }, readBack);
  throw new KhachapuriError("invalid_config", "no JWT for Pinata", {
    hints: [
      `set ${PINATA_VARIABLE}`,
      'or list { "kind": "pinata", "jwtFile": FILE } under "publish" in config.json',
    ],
  });
}

async function pinningOf(
  { world }: CommandContext,
  config: Config,
  { url, tokenFile }: Places["pins"][number],
  kubos: readonly Kubo[],
  readBack: ReadBack,
): Promise<Destination> {
  const token = tokenFile === undefined
    ? world.env(PIN_VARIABLE)
    : await readToken(resolveFromHome(config, tokenFile));
  if (token === undefined) {
    throw new KhachapuriError("invalid_config", `no token for the pinning service ${url}`, {
      hints: [
        `set ${PIN_VARIABLE}`,
        'or list it with its tokenFile under "publish" in config.json',
      ],
    });
  }
  const origins = async () => (await Promise.all(kubos.map(kuboOrigins))).flat();
  return pinningService({ url, token }, origins, readBack, { now: () => Date.now(), wait: pause });
}
