/** The provider that the cases are tried on, with the programs that they call. */
import type { CertificateFiles } from "../../lib/provider/wire/certificate.ts";
import { type Market, startMarket } from "../../worlds/market.ts";
import { CUT, ECHO, PAID, WEB_HOST } from "./case.ts";

/** Tells what it was given: arguments, variables, body. Some paths answer otherwise. */
const ECHO_PROGRAM = String.raw`#!/bin/sh
answer() { printf 'HTTP/1.1 '; printf '%s\n' "$@" ''; }
case $PATH_INFO in
  /early) answer '200 OK'; echo early; exit ;;
  /parts) answer '200 OK'; echo early; sleep 0.3; echo late; exit ;;
  /204) answer '204 No Content' 'Content-Length: 5'; printf hello; exit ;;
  /304) answer '304 Not Modified' 'ETag: "a"'; printf hello; exit ;;
  /empty) answer '200 OK'; exit ;;
  /sized) answer '200 OK' 'Content-Length: 5'; printf hello; exit ;;
  /longer) answer '200 OK' 'Content-Length: 3'; printf hello; exit ;;
  /shorter) answer '200 OK' 'Content-Length: 9'; exit ;;
  /broken) answer '200 OK' 'Content-Length: 9'; printf hello; sleep 0.3; exit ;;
  /coded) answer '200 OK' 'Transfer-Encoding: chunked'; printf hello; exit ;;
  /hop) answer '200 OK' 'Connection: close' 'Upgrade: x' 'Keep-Alive: 9'; printf hello; exit ;;
  /sleep) exec sleep 60 ;;
  /head) answer '200 OK'; echo begun; cat >/dev/null; exit ;;
  /flood) answer '200 OK'; exec head -c 8000000 /dev/zero ;;
  /slow) answer '200 OK'; echo slow; sleep 0.3 ;;
esac
cat >/tmp/body
[ "$PATH_INFO" = /slow ] || answer '200 OK'
printf 'argument %s\n' "$@"
env | sed 's/^/variable /'
echo body
cat /tmp/body
`;
const CUT_PROGRAM = "#!/bin/sh\nprintf 'HTTP/1.1 200 OK\\n\\nhalf\\n'\nexec sleep 60\n";

const LIMITS = { timeoutMs: 15_000, memoryMb: 64, concurrency: 48, ownerCreditsPerMinute: 60_000 };

export interface Stage extends AsyncDisposable {
  readonly market: Market;
  readonly port: number;
  /** The pieces of a case with the deployments' cids in them, which are as long as their places. */
  addressed(pieces: readonly string[]): string[];
  /** As addressed, the other way. */
  unaddressed(text: string): string;
  /** Credits that were charged so far; runs that nobody pays are none. */
  charges(): number;
  /** Programs that run now. */
  runs(): Promise<number>;
}

/** @param certificate what the provider shows, where it serves by TLS */
export async function openStage(certificate?: CertificateFiles): Promise<Stage> {
  const tls = certificate && { cert: certificate.cert, key: certificate.key };
  const client = Deno.createHttpClient({
    caCerts: certificate ? [await Deno.readTextFile(certificate.cert)] : [],
  });
  const market = await startMarket({
    settings: {
      webDomain: `http://${WEB_HOST}`,
      settlement: { mode: "batch" },
      sandbox: { requestBytes: 16 * 1024 * 1024 },
      ...(tls && { tls }),
    },
    credits: 5_000n,
  });
  const deploy = (main: string, fields: Record<string, unknown>) =>
    market.deploy({ files: { main }, fields: { limits: LIMITS, ...fields } });
  const cids: [string, string][] = [
    [ECHO, await deploy(ECHO_PROGRAM, {})],
    [CUT, await deploy(CUT_PROGRAM, { limits: { ...LIMITS, timeoutMs: 300 } })],
    [PAID, await deploy(ECHO_PROGRAM, { access: "payer" })],
  ];
  // The first look at it waits for what is installed to be looked for.
  await (await fetch(market.provider.url.replace("127.0.0.1", "localhost"), { client })).text();
  const pairs = cids.map(([name, cid]) => [name, cid] as const);
  return {
    market,
    port: Number(new URL(market.provider.url).port),
    addressed(pieces) {
      const whole = pairs.reduce(
        (text, [name, cid]) => text.replaceAll(name, cid),
        pieces.join(""),
      );
      let at = 0;
      return pieces.map(({ length }) => whole.slice(at, at += length));
    },
    unaddressed: (text) => pairs.reduce((text, [name, cid]) => text.replaceAll(cid, name), text),
    charges: () => market.entries().filter(({ kind }) => kind === "charge").length,
    async runs() {
      const url = `${market.provider.url.replace("127.0.0.1", "localhost")}/healthz`;
      const response = await fetch(url, { client });
      return (await response.json()).runs;
    },
    async [Symbol.asyncDispose]() {
      client.close();
      await market[Symbol.asyncDispose]();
    },
  };
}
