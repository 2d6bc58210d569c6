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

-- _lanes: [{ account, lane, turn, first, version, releases, ceiling, block,
--   rows: [[reservation, at, price, cid, outcome, facts]], steps: [[price, count]],
--   wants: [[count, most]], promised, permits }]; "first" is the number of the lane's first turn,
--   1 where it is absent, as the last two may be.
-- Returns for each: [lane, "done" | "again" | "lost" | "past", granted, charged before its rows,
--   charged, held, the account's used, the account's held, the lane where its version is another
--   by now].
CREATE FUNCTION turn_1(_session int4, _lanes jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  q record;
  a record;
  l record;
  h record;
  w record;
  step record;
  answers jsonb := '[]';
  charges int8;
  base int8;
  n int8;
  m int8;
  room int8;
  stray int8;
  amount int8;
  at int8;
  is_stale boolean;
  is_known boolean;
  is_first boolean;
BEGIN
  FOR q IN
    SELECT * FROM jsonb_to_recordset(_lanes) AS x(
      account int8, lane int8, turn int8, first int8, version int8, releases int8, ceiling int8,
      block int8, rows jsonb, steps jsonb, wants jsonb, promised int8, permits jsonb)
    ORDER BY x.account, x.lane
  LOOP
    SELECT used, held, ceiling, ceiling_block INTO a
      FROM accounts WHERE id = q.account FOR NO KEY UPDATE;
    SELECT charged, held, settled, version, refused, due, owed, steps_upto, steps_price,
        ages_beyond, ages_at
      INTO l FROM lanes WHERE id = q.lane;
    SELECT turn, granted, charged_from, credits INTO h
      FROM holds WHERE session = _session AND lane = q.lane;
    is_known := FOUND;
    IF is_known AND h.turn = q.turn THEN
      answers := answers || jsonb_build_array(jsonb_build_array(q.lane, 'again', h.granted,
        h.charged_from::text, l.charged::text, l.held::text, a.used::text, a.held::text,
        CASE WHEN l.version <> q.version
          THEN (SELECT lane_json(x) FROM lanes x WHERE x.id = q.lane) END));
      CONTINUE;
    END IF;
    is_first := q.turn = coalesce(q.first, 1);
    stray := CASE WHEN is_known AND is_first AND h.turn < q.turn THEN h.credits ELSE 0 END;
    IF NOT is_known AND NOT is_first OR is_known AND h.turn <> q.turn - 1
      AND NOT (is_first AND h.turn < q.turn)
    THEN
      -- It was carried out before they were given back, or will never be.
      answers := answers || jsonb_build_array(jsonb_build_array(q.lane,
        CASE WHEN EXISTS (SELECT FROM journal WHERE reservation = (q.rows->0->>0)::int8)
          THEN 'past' ELSE 'lost' END, 0,
        l.charged::text, l.charged::text, l.held::text, a.used::text, a.held::text, NULL));
      CONTINUE;
    END IF;

    base := l.charged;
    charges := jsonb_array_length(q.rows);
    l.charged := l.charged + charges;
    l.held := l.held - charges - q.releases - stray;
    a.used := a.used + charges;
    a.held := a.held - charges - q.releases - stray;
    IF q.block >= a.ceiling_block THEN
      a.ceiling := q.ceiling;
      a.ceiling_block := q.block;
    END IF;

    n := 0;
    is_stale := q.version <> l.version
      OR (q.permits IS NOT NULL AND l.charged + l.held > q.promised);
    IF NOT is_stale AND jsonb_array_length(q.wants) > 0
      AND (l.refused IS NULL OR q.permits IS NOT NULL)
    THEN
      room := a.ceiling - a.used - a.held;
      FOR w IN SELECT (x->>0)::int8 AS count, (x->>1)::int8 AS most
        FROM jsonb_array_elements(q.wants) AS x
      LOOP
        m := GREATEST(0, LEAST(w.count, room - n, w.most - l.charged - l.held - n));
        n := n + m;
        EXIT WHEN m < w.count;
      END LOOP;
      l.held := l.held + n;
      a.held := a.held + n;
    END IF;

    IF charges > 0 THEN
      base := l.charged - charges;
      FOR step IN SELECT (x->>0)::int8 AS price, (x->>1)::int8 AS count
        FROM jsonb_array_elements(q.steps) AS x
      LOOP
        base := base + step.count;
        l.owed := l.owed + step.price * step.count;
        IF l.steps_price[cardinality(l.steps_price)] IS DISTINCT FROM step.price THEN
          l.steps_upto := l.steps_upto || base;
          l.steps_price := l.steps_price || step.price;
          l.version := l.version + 1;
        ELSE
          l.steps_upto[cardinality(l.steps_upto)] := base;
        END IF;
      END LOOP;
      base := l.charged - charges;
      at := now_ms();
      IF cardinality(l.ages_at) = 0 OR at >= l.ages_at[cardinality(l.ages_at)] + 5000 THEN
        l.ages_beyond := l.ages_beyond || base;
        l.ages_at := l.ages_at || at;
        IF cardinality(l.ages_at) > 8 THEN
          l.ages_beyond := l.ages_beyond[1:1] || l.ages_beyond[3:];
          l.ages_at := l.ages_at[1:1] || l.ages_at[3:];
        END IF;
      END IF;
      INSERT INTO journal (reservation, at, lane, charged, price, cid, outcome, facts)
        SELECT (x->>0)::int8, (x->>1)::int8, q.lane, base + nr, (x->>2)::int8, x->>3, x->>4,
          NULLIF(x->5, 'null')
        FROM jsonb_array_elements(q.rows) WITH ORDINALITY AS r(x, nr);
    END IF;

    IF n > 0 AND q.permits IS NOT NULL THEN
      l.version := l.version + 1;
      l.refused := NULL;
      UPDATE lanes SET permits = q.permits WHERE id = q.lane;
    END IF;
    l.due := l.refused IS NULL AND l.charged > l.settled AND cardinality(l.steps_upto) > 0;
    UPDATE accounts SET used = a.used, held = a.held, ceiling = a.ceiling,
      ceiling_block = a.ceiling_block WHERE id = q.account;
    UPDATE lanes SET charged = l.charged, held = l.held, version = l.version,
      refused = l.refused, due = l.due, owed = l.owed, steps_upto = l.steps_upto,
      steps_price = l.steps_price, ages_beyond = l.ages_beyond, ages_at = l.ages_at
      WHERE id = q.lane;
    INSERT INTO holds AS o (session, lane, account, credits, turn, granted, charged_from)
      VALUES (_session, q.lane, q.account, n, q.turn, n, base)
      ON CONFLICT (session, lane) DO UPDATE SET
        credits = o.credits + excluded.credits - charges - q.releases - stray,
        turn = excluded.turn, granted = excluded.granted, charged_from = excluded.charged_from;
    answers := answers || jsonb_build_array(jsonb_build_array(q.lane, 'done', n, base::text,
      l.charged::text, l.held::text, a.used::text, a.held::text,
      CASE WHEN l.version <> q.version
        THEN (SELECT lane_json(x) FROM lanes x WHERE x.id = q.lane) END));
  END LOOP;
  RETURN answers;
END $$;
`;
