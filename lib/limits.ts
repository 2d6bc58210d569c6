/**
 * Every bound that a stranger can make us reach, grouped by who that is, with its unit in the name
 * and the reason for its size. What only tunes our own work (the pacing of a poll, the size of a
 * batch, how long something idle is kept) stands beside its use.
 */

export * from "./limits_of_openings.ts";

// A caller: anybody who sends a request.

/** Request body, unless a provider configures another size; it streams, and takes no memory. */
export const REQUEST_BYTES_DEFAULT = 100 * 1024 * 1024;
/** One that is held until it is whole, before its run: no larger, whatever may stream. */
export const WHOLE_BODY_BYTES_MAX = 16 * 1024 * 1024;
/** All request headers together; they become argv, whose kernel limit is 128 KiB an entry. */
export const REQUEST_HEADER_BYTES_MAX = 16 * 1024;
/** One request target (path and query). */
export const REQUEST_TARGET_BYTES_MAX = 8 * 1024;
/** JSON bodies of the provider's own paths (/stop, /logs …): a signature and a few names. */
export const CONTROL_BODY_BYTES_MAX = 16 * 1024;
/** By then such a body has to be here. */
export const CONTROL_BODY_TIMEOUT_MS = 10_000;
/** What a signed question to a provider may name: twice a cid. */
export const OWNER_REQUEST_SUBJECT_CHARACTERS_MAX = 128;
/** Bodies that are held until they are whole, all callers together. */
export const BUFFERED_BODY_BYTES_MAX = 128 * 1024 * 1024;
/** A base36 CIDv1 under sha2-256 has 57 characters, a base32 one 59. */
export const CID_TEXT_CHARACTERS_MAX = 64;
/** Disk that verified content may hold, in whole blocks, before the least recently used goes. */
export const CACHE_BYTES_MAX = 4 * 1024 * 1024 * 1024;
/** Files of it: each takes an inode, and one open and one read when its turn comes. */
export const CACHE_FILES_MAX = 100_000;
/** Of what anybody can have fetched and no deployment has proved useful: four largest programs, */
export const CACHE_UNJUDGED_BYTES_MAX = 256 * 1024 * 1024;
/** or so many files. */
export const CACHE_UNJUDGED_FILES_MAX = 500;
/** Spellings of cids that are remembered with their canonical text. */
export const CID_TEXTS_REMEMBERED_MAX = 10_000;
/** Cids that are remembered to hold no deployment of ours. */
export const SPEC_REFUSALS_MAX = 20_000;
/** Strangers can name any cid; this many lookups of theirs are under way at a time. */
export const LOOKUPS_MAX = 32;
/**
 * Lookups for strangers that no call was paid for: so many at once, as a public gateway may let us
 * have no more than 100 requests a minute,
 */
export const STRANGER_LOOKUPS_BURST_MAX = 60;
/** and then so many a second: 40,000 new deployments a day. Each may cost 16 key agreements. */
export const STRANGER_LOOKUPS_PER_SECOND_MAX = 1 / 2;
/** Of those, for one network (IPv4 /24, IPv6 /56) so many at once, */
export const PREFIX_LOOKUPS_BURST_MAX = 10;
/** and then so many a second. */
export const PREFIX_LOOKUPS_PER_SECOND_MAX = 1 / 6;
/** Kept for networks that have asked for little, whatever others use up: so many at once, */
export const FRESH_LOOKUPS_BURST_MAX = 20;
/** and then so many a second. */
export const FRESH_LOOKUPS_PER_SECOND_MAX = 1 / 4;
/** A network that asked for no more than this of late has asked for little. */
export const FRESH_LOOKUPS_MAX = 2;
/** For payers whose permit proves that they had calls here, beside strangers', so many at once, */
export const PAYER_LOOKUPS_BURST_MAX = 20;
/** and then so many a second. */
export const PAYER_LOOKUPS_PER_SECOND_MAX = 1 / 2;
/** Of those, for one payer so many at once, */
export const OWN_LOOKUPS_BURST_MAX = 5;
/** and then so many a second. */
export const OWN_LOOKUPS_PER_SECOND_MAX = 1 / 10;
/** Permits looked at for that, a millisecond each: so many at once, */
export const LOOKUP_PROOFS_BURST_MAX = 20;
/** and then so many a second. */
export const LOOKUP_PROOFS_PER_SECOND_MAX = 10;
/** Networks, and payers, whose lookups are counted; one beyond it starts anew. */
export const LOOKUPS_COUNTED_MAX = 50_000;
/** Lookups that may be given back, once a call is paid for what they found. */
export const LOOKUPS_UNPAID_MAX = 1_000;
/** That nobody has a cid is remembered so long: whoever publishes it next is soon found. */
export const ABSENT_REMEMBERED_MS = 30_000;
/** That our gateways failed is remembered so long at most: it says nothing of the content. */
export const OUTAGE_REMEMBERED_MS = 2_000;
/** Cids of which either is remembered; one beyond it is asked for again. */
export const ABSENT_REMEMBERED_MAX = 20_000;
/** What nobody has takes a minute to fail: after this long it makes room for another. */
export const LOOKUP_PATIENCE_MS = 5_000;
/** Hosts that a run did not reach, as its record has them. */
export const RUN_UNREACHED_MAX = 16;
/** Of them so many are named in the words on why a run failed. */
export const UNREACHED_NAMED_MAX = 3;
/** A program's connection is made by then: for its name, and for each address that it has. */
export const EGRESS_CONNECT_TIMEOUT_MS = 10_000;
/** What a look for interpreters prints of them: some 60 families, a line of 1000 bytes for each. */
export const RUNTIME_TEXT_BYTES_MAX = 256 * 1024;
/** A body that is read whole has to be here by then: nothing else ends it. */
export const BODY_WHOLE_TIMEOUT_MS = 30_000;
/** How long an answer waits for the rest of a body that its program did not read. */
export const BODY_REST_TIMEOUT_MS = 1_000;
/** How long a caller may take for what is left of an answer whose program has ended. */
export const ANSWER_REST_TIMEOUT_MS = 15_000;

/** Connections at a time; beyond it the one that has been idle longest makes room. */
export const CONNECTIONS_MAX = 4_096;
/** Of those, one network's (IPv4 /24, IPv6 /56): an office or a carrier may stand behind one. */
export const NETWORK_CONNECTIONS_MAX = 512;
/** Requests sent ahead on one connection, which are served in turn; no more is read meanwhile. */
export const PIPELINED_REQUESTS_MAX = 16;
/** A new connection has sent the head of its first request by then, or is answered 408. */
export const HEAD_TIMEOUT_MS = 10_000;
/** A connection may wait so long for its next request: longer than proxies keep theirs. */
export const IDLE_CONNECTION_MS = 75_000;
/**
 * What may stand around a chunked body's bytes: sizes and extensions of its chunks, and what was
 * sent ahead behind it (PIPELINED_REQUESTS_MAX heads and a read of the socket), so much
 */
export const CHUNK_OVERHEAD_BYTES_MAX = 1024 * 1024;
/** and so many times its bytes: chunks of one byte have five around it. */
export const CHUNK_OVERHEAD_PART_MAX = 8;
/**
 * Share of the event loop that reading what callers send may take: a byte is cheap to send, and a
 * chunk or frame of one byte costs us a microsecond (`deno task bench attacks`, "tiny chunks").
 */
export const READING_SHARE_MAX = 1 / 4;
/** Beyond it who took little of late is read on credit, ms together: it waits for no attacker. */
export const READING_DEBT_MS_MAX = 20;
/** Beside requests' heads, a connection that took little took less of about the last second, ms, */
export const LIGHT_READER_MS_MAX = 3;
/** and its network (IPv4 /24, IPv6 /56) less than this. */
export const LIGHT_NETWORK_MS_MAX = 30;
/** Networks whose reading is counted; one beyond it starts anew. */
export const READING_NETWORKS_REMEMBERED_MAX = 50_000;
/** HTTP/2 answers frames by itself: who does not take so much of that is not read on, bytes. */
export const HTTP2_UNTAKEN_BYTES_MAX = 256 * 1024;
/** Streams that one HTTP/2 connection may give up before their answer, beyond those it took. */
export const HTTP2_RESETS_MAX = 200;
/** Streams of one HTTP/2 connection at a time. */
export const HTTP2_STREAMS_MAX = 64;
/** What is still read and dropped of a body that nobody wanted, so that its answer is seen. */
export const UNWANTED_BODY_BYTES_MAX = 1024 * 1024;
/** In so many pieces at most: a chunk of one byte costs as much as one of many. */
export const UNWANTED_BODY_PIECES_MAX = 1_000;
/** So long at most. */
export const UNWANTED_BODY_MS = 2_000;

// A payer: whoever signs permits or deposits.

/** Permit, offer and deposit in one PAYMENT-SIGNATURE header. */
export const PAYMENT_HEADER_BYTES_MAX = 8 * 1024;
/** Lanes of one payer at one provider that are not settled: each is a row of the next batch. */
export const PAYER_LANES_MAX = 1_024;
/** Blocks that a reorganisation takes back at most: what was settled before stays settled. */
export const REORGANISED_BLOCKS_MAX = 256;
/** Permits that a lane is settled with: each may be a row of the next batch. */
export const LANE_PERMITS_MAX = 2;
/** Permits of a lane kept until they are used up, as proof: calls at once bring one each. */
export const LANE_PERMITS_KEPT_MAX = 8;
/** What a provider relays for a payer is mined within this time, or whoever asked is refused. */
export const RELAY_TIMEOUT_MS = 60_000;
/** What is relayed is first looked at: of one network so many at once, */
export const NETWORK_RELAYS_BURST_MAX = 20;
/** and then so many a second: a signature is a millisecond of ours. */
export const NETWORK_RELAYS_PER_SECOND_MAX = 1;
/** Networks whose relays are counted; one beyond it starts anew. */
export const RELAYING_NETWORKS_REMEMBERED_MAX = 50_000;
/** Payers without a call here whose money is looked for, one request each: so many at once, */
export const RELAY_LOOKS_BURST_MAX = 400;
/** and then so many a second; of those that had a call here as many, beside them. */
export const RELAY_LOOKS_PER_SECOND_MAX = 40;
/** Who has the money is tried on the chain: of payers without a call here so many at once, */
export const RELAY_TRIES_BURST_MAX = 100;
/** and then so many a second: keys cost nothing, and each may sign what the chain then refuses. */
export const RELAY_TRIES_PER_SECOND_MAX = 10;
/** Of one payer that had a call here so many at once, a way out and a few mistakes, */
export const PAYER_TRIES_BURST_MAX = 8;
/** and then so many a second; of all of them as many as of strangers, beside them. */
export const PAYER_TRIES_PER_SECOND_MAX = 1 / 5;
/** A payer has one deposit relayed in this time, ms: another it can send at its own gas. */
export const PAYER_DEPOSIT_MS = 24 * 60 * 60 * 1000;
/** What one payer may have sent in an hour: a whole way out takes four messages. */
export const PAYER_RELAYS_PER_HOUR_MAX = 12;
/** Payers whose relays are counted; one beyond it starts anew. */
export const RELAYED_PAYERS_REMEMBERED_MAX = 50_000;
/** What is relayed and not mined yet: what is settled is behind no more than this. */
export const RELAYS_OUT_MAX = 4;
/** A message to relay ends within a day: the longer it is good, the later somebody may send it. */
export const RELAY_LIFETIME_SECONDS_MAX = 86_400n;
/** How long an answer can be asked for again under its Idempotency-Key. */
export const IDEMPOTENCY_WINDOW_MS = 24 * 60 * 60 * 1000;
/** Largest answer that is kept for it. */
export const IDEMPOTENCY_ANSWER_BYTES_MAX = 1024 * 1024;
/** An answer is given again so many times at once, for a connection that breaks, */
export const KEY_REPLAYS_BURST_MAX = 16;
/** and then so many a second, one in ten minutes: within its window a credit buys 160 of them. */
export const KEY_REPLAYS_PER_SECOND_MAX = 1 / 600;
/** One payer's answers are given again so many times at once, */
export const PAYER_REPLAYS_BURST_MAX = 100;
/** and then so many a second. */
export const PAYER_REPLAYS_PER_SECOND_MAX = 2;
/** Keys, and payers, whose replays are counted; one beyond it starts anew. */
export const IDEMPOTENCY_KEYS_REMEMBERED_MAX = 50_000;
/** Answers kept for one payer: a stranger's disk is not for filling. */
export const IDEMPOTENCY_PAYER_BYTES_MAX = 64 * 1024 * 1024;
/** Length of a key; a UUID has 36. */
export const IDEMPOTENCY_KEY_CHARACTERS_MAX = 255;
/** One payer may hold this part of BUFFERED_BODY_BYTES_MAX; its first body always has room. */
export const PAYER_BODIES_PART = 4;
/** PAYMENT-SIGNATURE headers kept decoded, PAYMENT_HEADER_BYTES_MAX each at most. */
export const HEADERS_DECODED_MAX = 1_000;
/** Permits whose signer is remembered, some 500 bytes each. */
export const PERMIT_SIGNERS_MAX = 10_000;
/** Payers whose allowance is remembered; one beyond it is read again at its next call. */
export const PAYER_VIEWS_MAX = 50_000;
/** Of payers that never had a call here; another one's view makes room for no payer's. */
export const STRANGER_VIEWS_MAX = 5_000;
/** Payers that wait to be read from the chain; they are read together. */
export const PAYER_READS_WAITING_MAX = 2_000;
/**
 * Reads for payers that never had a call here: anybody can name one. So many at once, which takes
 * some ten requests as they are put together,
 */
export const STRANGER_READS_BURST_MAX = 1_000;
/** and then so many a second. */
export const STRANGER_READS_PER_SECOND_MAX = 100;
/** Of those and of the next, by callers of one network (IPv4 /24, IPv6 /56) so many at once, */
export const PREFIX_READS_BURST_MAX = 60;
/** and then so many a second: an office or a carrier may stand behind one. */
export const PREFIX_READS_PER_SECOND_MAX = 10;
/** Reads for payers we know by who proved to be none of their signers so many at once, */
export const UNPROVEN_READS_BURST_MAX = 100;
/** and then so many a second. */
export const UNPROVEN_READS_PER_SECOND_MAX = 20;
/** Of one payer, for signers that we know nothing of, so many at once, */
export const UNKNOWN_SIGNER_READS_BURST_MAX = 8;
/** and then so many a second. */
export const UNKNOWN_SIGNER_READS_PER_SECOND_MAX = 1;
/** Lanes of one payer that we never saw, PAYER_LANES_MAX at once and then so many a second. */
export const PAYER_LANE_READS_PER_SECOND_MAX = 10;
/** Before one payer is told no, the chain is asked once more: so often at once, */
export const PAYER_SECOND_LOOKS_BURST_MAX = 20;
/** and then so often a second; beyond it the no is one of the last look at the chain. */
export const PAYER_SECOND_LOOKS_PER_SECOND_MAX = 1;
/** Payers whose reads are counted; one beyond it starts anew. */
export const LIMITED_PAYERS_REMEMBERED_MAX = 50_000;
/** Networks whose reads are counted; one beyond it starts anew. */
export const LIMITED_PREFIXES_REMEMBERED_MAX = 50_000;
/** Transactions that one call may cost while others on its lane use what they take. */
export const CONSUME_ATTEMPTS_MAX = 8;
/** How long a caller waits for its credit to be mined (`settlement.mode` "each"). */
export const CONSUME_TIMEOUT_MS = 60_000;

// A deployer: whoever writes a spec and its program's zip.

/** A decrypted spec: two post-quantum recipients take 4.8 KB, env secrets the rest. */
export const SPEC_BYTES_MAX = 64 * 1024;
/** Providers that one spec may name: bounds signatures to check and age stanzas to try. */
export const SPEC_PROVIDERS_MAX = 16;
/** Environment variables of a spec. */
export const SPEC_ENV_MAX = 256;
/** Length of one variable's name. */
export const SPEC_ENV_NAME_CHARACTERS_MAX = 256;
/** Arguments a spec puts before the request's own. */
export const SPEC_ARGS_MAX = 64;
/** Hosts a spec may reach; the relay has room for as many (sandbox/init/policy.h). */
export const SPEC_EGRESS_MAX = 64;
/** Of a name of the Domain Name System, RFC 1035 section 2.3.4, */
export const DNS_NAME_CHARACTERS_MAX = 253;
/** and of each of its labels. */
export const DNS_LABEL_CHARACTERS_MAX = 63;
/** Credits that one run can take: 42 hours of the usual 15 s. */
export const SPEC_CREDITS_MAX = 10_000;
/** Longest run a spec can ask for; the provider's own limit is usually far lower. */
export const SPEC_TIMEOUT_MS_MAX = 900_000;
/** Memory of a run that a spec can ask for, MiB; the provider's own limit is usually far lower. */
export const SPEC_MEMORY_MB_MAX = 1_048_576;
/** Calls a minute that an owner can offer to pay; beyond what any provider runs. */
export const SPEC_OWNER_CREDITS_PER_MINUTE_MAX = 1_000_000;
/** Concurrent runs of one deployment. */
export const DEPLOYMENT_CONCURRENCY_MAX = 64;
/** Program zip as published. */
export const PROGRAM_ZIP_BYTES_MAX = 64 * 1024 * 1024;
/** Program once unpacked: bounds a zip bomb on disk. */
export const PROGRAM_UNPACKED_BYTES_MAX = 256 * 1024 * 1024;
/** Disk that all unpacked programs may hold, in whole blocks, before those not in use go. */
export const UNPACKED_BYTES_MAX = 8 * 1024 * 1024 * 1024;
/** Their files and folders: a small file system has some 65,000 inodes a GiB. */
export const UNPACKED_INODES_MAX = 400_000;
/** Programs that are remembered to be unusable, whatever was asked of them. */
export const PROGRAM_REFUSALS_MAX = 10_000;
/** Published programs up to this size are read in memory; larger ones go to a file as they come. */
export const PROGRAM_SMALL_BYTES_MAX = 2 * 1024 * 1024;
/** Memory of programs that are being fetched and unpacked, all owners together. */
export const OPENINGS_BYTES_MAX = 128 * 1024 * 1024;
/** Beside it, for owners whose deployments were paid for here. */
export const PAYING_OPENINGS_BYTES_MAX = 64 * 1024 * 1024;
/** Openings that wait for memory, in fair turns between owners; beyond it a free 503. */
export const OPENINGS_WAITING_MAX = 64;
/** One waits so long: the caller's client gives up soon after. */
export const OPENING_WAIT_MS = 10_000;
/** Files and folders of a program, also folders that its zip only implies; bounds inodes. */
export const PROGRAM_ENTRIES_MAX = 10_000;
/** Length of one path in a program zip. */
export const PROGRAM_PATH_BYTES_MAX = 1_024;
/** Longest name that Linux file systems take (NAME_MAX). */
export const PROGRAM_PATH_SEGMENT_BYTES_MAX = 255;
/** Folders in each other; bounds whoever walks the unpacked tree. */
export const PROGRAM_PATH_DEPTH_MAX = 32;
/** Where a symbolic link of a program leads: as long as a path. */
export const PROGRAM_LINK_BYTES_MAX = 1_024;
/** Uids for programs, one for each open sandbox of a privileged provider. */
export const RUN_UIDS_MAX = 4096;
/** Programs being fetched and unpacked at a time. */
export const PROGRAM_STARTS_MAX = 32;
/** Of those, of owners that no call was paid for yet: what nobody has takes a minute to fail. */
export const STRANGER_PROGRAM_STARTS_MAX = 24;
/** Of those, one owner's. */
export const OWNER_PROGRAM_STARTS_MAX = 4;
/** Deployments remembered to be registered on disk. */
export const REGISTRATIONS_REMEMBERED_MAX = 100_000;
/** Their owners that are remembered, some 0.2 KB each. */
export const OWNERS_REMEMBERED_MAX = 10_000;
/** Permits that owners renewed for deployments nobody has paid for yet, some 1 KB each. */
export const UNPAID_RENEWALS_MAX = 10_000;
/** Permits that are renewed for one deployment in a second: each is a write that is waited for. */
export const RENEWALS_PER_SECOND_MAX = 1;
/** Deployments whose renewals are counted; one beyond it starts anew. */
export const RENEWALS_REMEMBERED_MAX = 50_000;
/** Deployments whose owner's credits a minute are counted; one beyond it starts anew. */
export const OWNER_RATES_REMEMBERED_MAX = 50_000;
/** Owners that are remembered to run low. */
export const OWNERS_LOW_MAX = 100_000;
/** Of a run's path so much is kept in the log: its beginning tells requests apart. */
export const LOGGED_PATH_CHARACTERS_MAX = 1_024;
/** Runs kept for each deployment. */
export const RUN_LOG_RUNS_MAX = 100;
/** Owners who wait for a run at the same time, each with a connection; others ask again. */
export const LOG_FOLLOWERS_MAX = 64;
/** Of one deployment. */
export const LOG_FOLLOWERS_EACH_MAX = 4;
/** They wait for so long and are answered: proxies end what is silent for a minute, or half. */
export const LOG_FOLLOW_MS_MAX = 25_000;
/** Disk of the runs of all deployments together: a credit buys no disk for ever. */
export const RUN_LOG_BYTES_MAX = 1024 * 1024 * 1024;

// A program, while it runs.

/** Wall clock of each credit that a run takes; the seed asks for "15 secs or so". */
export const RUN_TIMEOUT_MS = 15_000;
/** A run's next credit is taken so long before its time: the chain may take most of a second. */
export const EXTEND_AHEAD_MS_MAX = 1_000;
/** Of time limits below two seconds it is half: a busy disk takes a tenth of a second. */
export const EXTEND_AHEAD_PART = 2;
/** Between the polite end (closing stdin, killing) and giving up on a process. */
export const KILL_GRACE_MS = 2_000;
/** Memory of one run unless the spec asks for less. */
export const RUN_MEMORY_MB_MAX = 512;
/** Private /tmp of one run, which is its /dev/shm too; it is memory. */
export const RUN_TMP_BYTES_MAX = 32 * 1024 * 1024;
/** Largest file a program may write, no larger than its /tmp. */
export const RUN_FILE_BYTES_MAX = RUN_TMP_BYTES_MAX;
/** Open files of one process; small, as pipes and sockets draw on quotas shared per host user. */
export const RUN_FILES_MAX = 256;
/** Signals that wait for the processes of a sandbox, and timers; the kernel keeps each of them. */
export const RUN_SIGNALS_MAX = 1_024;
/** Processes and threads of one run, where the kernel has a pids cgroup for us. */
export const RUN_PROCESSES_MAX = 64;
/** Processes and threads of all runs of one sandbox; without a pids cgroup the only bound. */
export const SANDBOX_PROCESSES_MAX = 256;
/** Share of one processor that a run may use. */
export const RUN_CPU_PERCENT_MAX = 100;
/** Starting a sandbox takes some 10 ms; beyond this something is badly wrong. */
export const SANDBOX_START_MS_MAX = 10_000;
/** Complaints of helper and launcher that are kept, for the message that says what failed. */
export const SANDBOX_DIAGNOSTIC_BYTES_MAX = 4_096;
/** What a program may print in one run, unless a provider configures another size; it streams. */
export const RESPONSE_BYTES_DEFAULT = 100 * 1024 * 1024;
/** The status line and headers that a program prints with `HTTP/`. */
export const RESPONSE_HEAD_BYTES_MAX = 64 * 1024;
/** Header fields that one run may answer with: each costs as much as all before it. */
export const RESPONSE_FIELDS_MAX = 256;
/** Local redirects of one call (RFC 3875 6.2.2), which share the time of one run. */
export const LOCAL_REDIRECTS_MAX = 10;
/** stderr kept for the owner's log; the rest is read and dropped. */
export const STDERR_BYTES_MAX = 64 * 1024;

// Whom we ask: gateways, chain endpoints, providers.

export * from "./limits_of_pages.ts";
export * from "./limits_of_peers.ts";

// We ourselves.

/** Of a file that `call` and `run` send, which they hold whole; more goes by curl itself. */
export const SENT_BODY_BYTES_MAX = 1024 * 1024 * 1024;
/** Of an answer in a JSON document: its text is one string, six times as long in the worst case. */
export const JSON_ANSWER_BYTES_MAX = 64 * 1024 * 1024;

/** Lanes remembered in a payer's home; the ones used longest ago go first. */
export const LANES_REMEMBERED_MAX = 1_000;
/** An owner with fewer credits left runs low: time to allow more before calls are refused. */
export const LOW_CREDITS = 100n;
