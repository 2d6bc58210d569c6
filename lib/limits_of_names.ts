/** Bounds of the names that deployments are called by. */

// A caller of names: anybody who sends a request.

/**
 * Lookups of names that no paid call was made by: anybody can name any. So many at once, as each is
 * a question to our resolver, or some to the chain,
 */
export const STRANGER_NAME_LOOKUPS_BURST_MAX = 100;
/** and then so many a second. */
export const STRANGER_NAME_LOOKUPS_PER_SECOND_MAX = 5;
/** Of those, for one network (IPv4 /24, IPv6 /56) so many at once, */
export const PREFIX_NAME_LOOKUPS_BURST_MAX = 20;
/** and then so many a second. */
export const PREFIX_NAME_LOOKUPS_PER_SECOND_MAX = 1 / 3;
/** Kept for networks that have asked for little, whatever others use up: so many at once, */
export const FRESH_NAME_LOOKUPS_BURST_MAX = 20;
/** and then so many a second. */
export const FRESH_NAME_LOOKUPS_PER_SECOND_MAX = 1;
/** A network that asked for no more than this of late has asked for little. */
export const FRESH_NAME_LOOKUPS_MAX = 4;
/** For names that a call was paid by, beside strangers', so many at once, */
export const PAID_NAME_LOOKUPS_BURST_MAX = 200;
/** and then so many a second. */
export const PAID_NAME_LOOKUPS_PER_SECOND_MAX = 20;
/** Networks whose lookups are counted; one beyond it starts anew. */
export const NAME_LOOKUPS_COUNTED_MAX = 50_000;
/** Lookups under way at a time: each holds a socket for seconds where nobody answers. */
export const NAME_LOOKUPS_MAX = 64;
/** Names that a call was paid by and that are remembered, across restarts too. */
export const PAID_NAMES_REMEMBERED_MAX = 10_000;
/** Of those, by one payer, or by one network's calls that owners pay: then its own give way. */
export const PAYER_NAMES_REMEMBERED_MAX = 100;
/** Others that are remembered, those that nobody has among them. */
export const NAMES_REMEMBERED_MAX = 10_000;

/** A domain that is called: with "_dnslink." before it, it has 253 characters at most. */
export const DOMAIN_CHARACTERS_MAX = 244;
/** A name as a path spells it: of UTF-8 three for each octet. */
export const NAME_SPELLING_CHARACTERS_MAX = 3 * 255;

// A deployer: whoever points names at deployments.

/** A label of the register: one of DNS (RFC 1035, section 2.3.4). */
export const NAME_LABEL_CHARACTERS_MAX = 63;
/** Names of a register: each is some 300 bytes of memory, and of disk with its history more. */
export const REGISTERED_NAMES_MAX = 100_000;
/** A name that its owner's allowance is not good for any more stays so long, ms: 30 days, */
export const NAME_UNCOVERED_MS_MAX = 30 * 86_400_000;
/** and so long where the register is full: money would come and go, and names would stay. */
export const NAME_UNCOVERED_WHEN_FULL_MS_MAX = 86_400_000;
/** Names of one owner whose cover changes at once: a write each, while calls wait. */
export const NAMES_COVERED_AT_ONCE_MAX = 1_000;
/** Owners of names whose allowances are looked at in one round: it takes of strangers' reads, */
export const NAME_OWNERS_LOOKED_AT_MAX = 200;
/** and while somebody waits for a place in a full register. */
export const NAME_OWNERS_LOOKED_AT_WHEN_FULL_MAX = 10;
/** The latest changes of a name that are kept. */
export const NAME_MOVES_KEPT_MAX = 100;
/** Changes of names that one network asks for, a signature each: so many at once, */
export const NETWORK_NAME_CHANGES_BURST_MAX = 20;
/** and then so many a second. */
export const NETWORK_NAME_CHANGES_PER_SECOND_MAX = 2;
/** Changes of one owner's names, a write to the disk each: so many at once, */
export const OWNER_NAME_CHANGES_BURST_MAX = 20;
/** and then so many a second. */
export const OWNER_NAME_CHANGES_PER_SECOND_MAX = 1;
/** Networks, and owners, whose changes are counted; one beyond it starts anew. */
export const NAME_CHANGES_COUNTED_MAX = 50_000;

// A name server, and whoever wrote what it says.

/** A datagram: as the Internet carries without cutting it up (DNS flag day 2020). */
export const DNS_DATAGRAM_BYTES_MAX = 1_232;
/** An answer by TCP: its length has two bytes. */
export const DNS_ANSWER_BYTES_MAX = 65_535;
/** Name servers that are asked, as resolv.conf(5) has them. */
export const NAME_SERVERS_MAX = 3;
/** TXT records of one answer that are looked at. */
export const DNS_TEXTS_MAX = 64;
/** Aliases (CNAME) followed in one answer; resolvers follow no more than eleven. */
export const DNS_ALIASES_MAX = 12;
/** Datagrams that are no answer to our question, before a server is given up: somebody guesses. */
export const DNS_STRAYS_MAX = 100;
/** A server is waited for so long, ms; there may be three, asked twice. */
export const DNS_SERVER_TIMEOUT_MS = 1_500;
/** All of them together. */
export const DNS_TIMEOUT_MS = 5_000;
/** A name is looked up no more often than this, seconds, whatever its records say, */
export const NAME_TTL_SECONDS_MIN = 15;
/** and no less often: who moves a name wants to see it. */
export const NAME_TTL_SECONDS_MAX = 3_600;
/** That nobody has a name is believed no longer than this: whoever sets it up wants to see it. */
export const NAME_ABSENCE_SECONDS_MAX = 60;

/** Segments of a URL's path that may be a provider's own: before each a server is asked. */
export const PROVIDER_PATH_SEGMENTS_MAX = 2;
