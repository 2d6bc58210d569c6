/**
 * What of payers and lanes the fleet knows. Counters are credits, amounts USDC base units, times ms
 * since the epoch. Whoever changes anything of a payer has its account's row locked first, so that
 * all of it is as of one moment; no index has what a turn changes, so a turn writes no index
 * (storage-hot in PostgreSQL's manual).
 */
export const LEDGER_TABLES = `
CREATE TABLE sessions (
  id int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  node text NOT NULL,
  url text NOT NULL,
  version text NOT NULL,
  started timestamptz NOT NULL DEFAULT now(),
  until timestamptz NOT NULL,
  -- Its holds are given back, and it may have no others.
  reaped boolean NOT NULL DEFAULT false,
  -- What the node tells of itself: load, what it holds, how far it has heard.
  facts jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX sessions_live ON sessions (until) WHERE NOT reaped;

CREATE TABLE accounts (
  id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  payer text NOT NULL UNIQUE,
  -- The most that runs may use and hold, as of the block; the newest block's counts.
  ceiling int8 NOT NULL DEFAULT 0,
  ceiling_block int8 NOT NULL DEFAULT -1,
  -- The sum of charged - opened over its lanes.
  used int8 NOT NULL DEFAULT 0 CHECK (used >= 0),
  held int8 NOT NULL DEFAULT 0 CHECK (held >= 0),
  -- The sum of settled - opened.
  settled int8 NOT NULL DEFAULT 0
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE lanes (
  id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  account int8 NOT NULL REFERENCES accounts,
  lane text NOT NULL,
  opened int8 NOT NULL,
  opened_at int8 NOT NULL,
  charged int8 NOT NULL,
  held int8 NOT NULL DEFAULT 0 CHECK (held >= 0),
  settled int8 NOT NULL,
  settled_block int8 NOT NULL DEFAULT 0,
  -- Goes up with whatever bears on a judgement beside the counters.
  version int8 NOT NULL DEFAULT 0,
  -- As lane_permits.ts and used_up.ts have them.
  permits jsonb NOT NULL DEFAULT '{}',
  -- Charged credits at one price, up to a counter; the oldest first.
  steps_upto int8[] NOT NULL DEFAULT '{}',
  steps_price int8[] NOT NULL DEFAULT '{}',
  -- Settled as of a block: once no reorganisation reaches that one, the steps below go.
  steps_settled int8 NOT NULL DEFAULT 0,
  steps_block int8 NOT NULL DEFAULT 0,
  -- When what is due was charged, as ages.ts has it.
  ages_beyond int8[] NOT NULL DEFAULT '{}',
  ages_at int8[] NOT NULL DEFAULT '{}',
  refused text,
  due boolean NOT NULL DEFAULT false,
  -- What is used and not settled comes to.
  owed int8 NOT NULL DEFAULT 0,
  CHECK (charged >= opened),
  UNIQUE (account, lane)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX lanes_open ON lanes (account) WHERE due OR refused IS NOT NULL;
CREATE INDEX lanes_settled ON lanes (settled_block) WHERE settled_block > 0;
CREATE INDEX lanes_settled_of ON lanes (account, settled_block) WHERE settled_block > 0;

-- What a session holds on a lane, and its last turn: a turn that comes again is answered by it.
CREATE TABLE holds (
  session int4 NOT NULL,
  lane int8 NOT NULL,
  account int8 NOT NULL,
  credits int8 NOT NULL CHECK (credits >= 0),
  turn int8 NOT NULL,
  granted int8 NOT NULL,
  -- The lane's counter before the turn's charges.
  charged_from int8 NOT NULL,
  PRIMARY KEY (session, lane)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);

-- What was charged. Its number is the session's times 2^32 and the session's own count.
CREATE TABLE journal (
  reservation int8 PRIMARY KEY,
  at int8 NOT NULL,
  lane int8 NOT NULL,
  charged int8 NOT NULL,
  price int8 NOT NULL,
  cid text NOT NULL,
  outcome text NOT NULL,
  -- Of a receipt; null where nobody can ask for one.
  facts jsonb
);
CREATE INDEX journal_at ON journal USING brin (at);
`;
