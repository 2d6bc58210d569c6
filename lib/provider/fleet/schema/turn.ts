/**
 * The turn: all that a node has queued for some lanes since its last one, carried out at once. For
 * each lane first what ended (charges and releases), then what is wanted, as far as the payer's
 * ceiling and the lane's permits go. A node numbers its turns of a lane: one that comes again is
 * answered, not applied, and one that does not follow the last tells that the session's holds were
 * given back. No number comes twice, whatever was forgotten between: what says which is its first
 * may find what a late copy of one before has left, which is nobody's.
 *
 * What is not numbers the node has judged (ledger/judge.ts) on the lane as it was at a version; a
 * lane of another version grants nothing, and is answered whole, to be judged anew.
 */
import { LANE_AFTER } from "./lane_after.ts";

export const TURN = `
CREATE FUNCTION now_ms() RETURNS int8 LANGUAGE sql VOLATILE
AS $$ SELECT (extract(epoch FROM clock_timestamp()) * 1000)::int8 $$;

-- What a lane owes: credits above the settled counter, each at the price of its step.
CREATE FUNCTION owed_of(_settled int8, _charged int8, _upto int8[], _price int8[]) RETURNS int8
LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(sum(GREATEST(0, s.upto - GREATEST(s.before, _settled)) * s.price), 0)::int8
  FROM (
    SELECT upto, price, coalesce(lag(upto) OVER (ORDER BY nr), LEAST(_settled, upto)) AS before
    FROM unnest(_upto, _price) WITH ORDINALITY AS x(upto, price, nr)
  ) s
$$;

-- The lane as a node judges on it; numbers as text.
CREATE FUNCTION lane_json(l lanes) RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object(
    'id', l.id, 'lane', l.lane, 'opened', l.opened::text, 'openedAt', l.opened_at,
    'charged', l.charged::text, 'held', l.held::text, 'settled', l.settled::text,
    'settledBlock', l.settled_block::text, 'version', l.version, 'permits', l.permits,
    'stepsUpto', l.steps_upto::text[], 'stepsPrice', l.steps_price::text[],
    'agesBeyond', l.ages_beyond::text[], 'agesAt', l.ages_at, 'refused', l.refused)
$$;

CREATE FUNCTION account_json(a accounts) RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('id', a.id, 'payer', a.payer, 'used', a.used::text,
    'held', a.held::text, 'settled', a.settled::text)
$$;

-- What a turn leaves of accounts, lanes and holds: it writes all rows of a table by one statement.
CREATE TYPE account_after AS (id int8, used int8, held int8, ceiling int8, ceiling_block int8);
CREATE TYPE lane_after AS (id int8, charged int8, held int8, settled int8, version int8,
  refused text, owed int8, steps_upto int8[], steps_price int8[], ages_beyond int8[],
  ages_at int8[]);
CREATE TYPE hold_after AS (lane int8, account int8, credits int8, turn int8, granted int8,
  charged_from int8);
CREATE TYPE charged_rows AS (lane int8, charged_from int8, charges jsonb);

-- _lanes: [{ account, lane, turn, first, version, releases, ceiling, block,
--   rows: [[reservation, at, price, cid, outcome, facts]], steps: [[price, count]],
--   wants: [[count, most]], promised, permits }]; "first" is the number of the lane's first turn,
--   1 where it is absent, as the last two may be.
-- Returns for each lane that there is: [lane, "done" | "again" | "lost" | "past", granted, charged
--   before its rows, charged, held, the account's used, the account's held, the lane where its
--   version is another by now].
-- Rows are found by their ids alone: a plan made while tables were small serves large ones too.
CREATE FUNCTION turn_1(_session int4, _lanes jsonb) RETURNS jsonb LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
  q record;
  a account_after;
  l lane_after;
  accounts_after account_after[];
  lanes_after lane_after[];
  holds_after hold_after[];
  charged_after charged_rows[];
  answers jsonb := '[]';
  nr int4 := 0;
  -- Of answers that want their lane.
  anew int4[] := '{}';
  charges int8;
  base int8;
  n int8;
  m int8;
  count int8;
  price int8;
  room int8;
  stray int8;
  at int8 := now_ms();
  fate text;
  is_stale boolean;
  is_known boolean;
  is_first boolean;
BEGIN
  PERFORM FROM accounts
    WHERE id IN (SELECT (x->>'account')::int8 FROM jsonb_array_elements(_lanes) AS x)
    ORDER BY id FOR NO KEY UPDATE;
  -- As they are now that nobody else changes them.
  FOR q IN
    SELECT x.*, ac.used, ac.held AS account_held, ac.ceiling AS account_ceiling,
      ac.ceiling_block, la.charged, la.held, la.settled, la.version AS lane_version, la.refused,
      la.owed, la.steps_upto, la.steps_price, la.ages_beyond, la.ages_at, ho.turn AS last_turn,
      ho.granted, ho.charged_from, ho.credits
    FROM jsonb_to_recordset(_lanes) AS x(
      account int8, lane int8, turn int8, first int8, version int8, releases int8, ceiling int8,
      block int8, rows jsonb, steps jsonb, wants jsonb, promised int8, permits jsonb)
    JOIN accounts ac ON ac.id = x.account
    JOIN lanes la ON la.id = x.lane
    LEFT JOIN holds ho ON ho.session = _session AND ho.lane = x.lane
    ORDER BY x.account, x.lane
  LOOP
    nr := nr + 1;
    IF a.id IS DISTINCT FROM q.account THEN
      IF a.id IS NOT NULL THEN accounts_after := accounts_after || a; END IF;
      a := (q.account, q.used, q.account_held, q.account_ceiling, q.ceiling_block);
    END IF;
    is_known := q.last_turn IS NOT NULL;
    is_first := q.turn = coalesce(q.first, 1);
    IF is_known AND q.last_turn = q.turn THEN
      fate := 'again';
    ELSIF is_known AND (q.last_turn = q.turn - 1 OR is_first AND q.last_turn < q.turn)
      OR NOT is_known AND is_first
    THEN
      fate := 'done';
    ELSIF EXISTS (SELECT FROM journal WHERE reservation = (q.rows->0->>0)::int8) THEN
      -- It was carried out before they were given back.
      fate := 'past';
    ELSE
      fate := 'lost';
    END IF;
    IF fate <> 'done' THEN
      answers := answers || jsonb_build_array(jsonb_build_array(q.lane, fate,
        CASE WHEN fate = 'again' THEN q.granted ELSE 0 END,
        CASE WHEN fate = 'again' THEN q.charged_from ELSE q.charged END::text,
        q.charged::text, q.held::text, a.used::text, a.held::text, NULL));
      IF fate = 'again' AND q.lane_version <> q.version THEN anew := anew || nr; END IF;
      CONTINUE;
    END IF;

    l := (q.lane, q.charged, q.held, q.settled, q.lane_version, q.refused, q.owed, q.steps_upto,
      q.steps_price, q.ages_beyond, q.ages_at);
    stray := CASE WHEN is_known AND is_first THEN q.credits ELSE 0 END;
    base := l.charged;
${LANE_AFTER}
    IF charges > 0 THEN
      charged_after := charged_after || (q.lane, base, q.rows)::charged_rows;
    END IF;
    lanes_after := lanes_after || l;
    holds_after := holds_after || (q.lane, q.account,
      coalesce(q.credits, 0) - charges - q.releases - stray + n, q.turn, n, base)::hold_after;
    answers := answers || jsonb_build_array(jsonb_build_array(q.lane, fate, n, base::text,
      l.charged::text, l.held::text, a.used::text, a.held::text, NULL));
    IF l.version <> q.version THEN anew := anew || nr; END IF;
  END LOOP;
  accounts_after := accounts_after || a;

  IF lanes_after IS NOT NULL THEN
    UPDATE accounts x SET used = c.used, held = c.held, ceiling = c.ceiling,
      ceiling_block = c.ceiling_block
      FROM unnest(accounts_after) AS c WHERE x.id = c.id;
    UPDATE lanes x SET charged = c.charged, held = c.held, version = c.version,
      refused = c.refused, owed = c.owed, steps_upto = c.steps_upto,
      steps_price = c.steps_price, ages_beyond = c.ages_beyond, ages_at = c.ages_at,
      due = c.refused IS NULL AND c.charged > c.settled AND cardinality(c.steps_upto) > 0
      FROM unnest(lanes_after) AS c WHERE x.id = c.id;
    INSERT INTO holds (session, lane, account, credits, turn, granted, charged_from)
      SELECT _session, c.* FROM unnest(holds_after) AS c
      ON CONFLICT (session, lane) DO UPDATE SET credits = excluded.credits,
        turn = excluded.turn, granted = excluded.granted, charged_from = excluded.charged_from;
  END IF;
  IF charged_after IS NOT NULL THEN
    INSERT INTO journal (reservation, at, lane, charged, price, cid, outcome, facts)
      SELECT (x->>0)::int8, (x->>1)::int8, c.lane, c.charged_from + x.nr, (x->>2)::int8, x->>3,
        x->>4, NULLIF(x->5, 'null')
      FROM unnest(charged_after) AS c, jsonb_array_elements(c.charges) WITH ORDINALITY AS x(x, nr);
  END IF;
  FOREACH nr IN ARRAY anew LOOP
    answers := jsonb_set(answers, ARRAY[(nr - 1)::text, '8'], (
      SELECT lane_json(x) FROM lanes x WHERE x.id = (answers->(nr - 1)->>0)::int8));
  END LOOP;
  RETURN answers;
END $$;
`;
