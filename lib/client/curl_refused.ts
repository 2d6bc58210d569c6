/** curl's options that can't mean anything here, with what to do instead. */
import { KhachapuriError } from "../errors.ts";

const WITHOUT_PROXY = "a call goes to the provider itself; for a proxy call its URL with curl";
const ONE_CALL = "one call at a time: run the command again for the next";
const ONE_PROTOCOL = "calls go by HTTP/1.1, and over TLS to an https URL";
const NO_JAR = "give -b 'name=value'; -i shows what an answer sets";
const OWN_TERMINAL = "-v shows both heads on stderr";
const WHOLE = "give the whole body, and read the whole answer";
const PASSWORD = "the user is sent as -u USER:PASSWORD (Basic) or --oauth2-bearer TOKEN";
const OWN_ADDRESS = "the address is the one that the URL names";
const CERTIFICATES = "--cacert FILE names whom to trust, -k trusts anybody";
const PLAIN_CURL = "for that use curl on the deployment's URL";

/** What to do instead, by the option's names without dashes. */
const INSTEAD: readonly (readonly [names: string, instead: string])[] = [
  [
    "x proxy preproxy noproxy p proxytunnel U proxy-user proxy-header socks4 socks4a",
    WITHOUT_PROXY,
  ],
  ["socks5 socks5-hostname proxy-insecure proxy-cacert proxy1.0 haproxy-protocol", WITHOUT_PROXY],
  ["proxy-cert proxy-key proxy-basic proxy-anyauth proxy-digest proxy-ntlm", WITHOUT_PROXY],
  [": next Z parallel parallel-immediate parallel-max fail-early rate", ONE_CALL],
  ["0 http1.0 http0.9 http2 http2-prior-knowledge http3 http3-only", ONE_PROTOCOL],
  ["tlsv1 1 tlsv1.0 tlsv1.1 tlsv1.2 tlsv1.3 tls-max 2 3 sslv2 sslv3", ONE_PROTOCOL],
  ["proto proto-default proto-redir alt-svc hsts ciphers tls13-ciphers curves", ONE_PROTOCOL],
  ["c cookie-jar j junk-session-cookies", NO_JAR],
  ["trace trace-ascii trace-time trace-config trace-ids stderr libcurl", OWN_TERMINAL],
  ["C continue-at Y speed-limit y speed-time limit-rate max-filesize raw", WHOLE],
  ["ignore-content-length no-clobber skip-existing tr-encoding create-file-mode a append", WHOLE],
  ["digest ntlm negotiate anyauth n netrc netrc-file netrc-optional", PASSWORD],
  ["krb delegation aws-sigv4 login-options sasl-ir", PASSWORD],
  ["resolve connect-to interface local-port unix-socket abstract-unix-socket", OWN_ADDRESS],
  ["4 ipv4 6 ipv6 dns-servers doh-url happy-eyeballs-timeout-ms ip-tos vlan-priority", OWN_ADDRESS],
  ["dns-interface dns-ipv4-addr dns-ipv6-addr tftp-blksize ftp-port", OWN_ADDRESS],
  ["E cert cert-type key key-type pass capath crlfile pinnedpubkey ca-native", CERTIFICATES],
  ["cert-status engine ssl-reqd ssl ssl-no-revoke ssl-allow-beast", CERTIFICATES],
  ["K config", "write its options on the command line"],
  [
    "h help M manual V version",
    "see khachapuri help, khachapuri --version; curl's own is man curl",
  ],
  ["J remote-header-name", "name the file with -o FILE"],
  ["R remote-time remote-name-all xattr", "the file gets the time of the call"],
  ["z time-cond etag-save etag-compare", "give -H 'If-Modified-Since: …' or -H 'If-None-Match: …'"],
  ["request-target", "write the target as the path, with --path-as-is and -g"],
  ["variable expand-url expand-data", "let the shell put the value in"],
  ["keepalive-time keepalive-cnt", "-m and --connect-timeout say how long to wait"],
  ["Q quote l list-only mail-from mail-rcpt mail-auth P t telnet-option", PLAIN_CURL],
  ["B use-ascii form-stream socks5-gssapi ftp-pasv disable-epsv crlf", PLAIN_CURL],
];

const HINTS: ReadonlyMap<string, string> = new Map(
  INSTEAD.flatMap(([names, instead]) => names.split(" ").map((name) => [name, instead] as const)),
);

/**
 * The error for an option that is not taken, which it names.
 * @param flag as written, `-x` or `--proxy`
 * @param known what is taken, in the order to show
 */
export function refusedOption(flag: string, known: readonly string[]): KhachapuriError {
  const name = flag.replace(/^--?(?:no-(?!clobber|keepalive))?/, "");
  const instead = HINTS.get(flag.replace(/^--?/, "")) ?? HINTS.get(name);
  return new KhachapuriError("usage", `curl's ${flag} is not taken here`, {
    hints: instead ? [instead] : ["these are:", ...lines(known)],
  });
}

/** Words in lines that fit a terminal. */
function lines(words: readonly string[]): string[] {
  const filled: string[] = [];
  for (const word of words) {
    const last = filled.at(-1);
    if (last !== undefined && last.length + word.length < 76) {
      filled[filled.length - 1] = `${last} ${word}`;
    } else filled.push(word);
  }
  return filled;
}
