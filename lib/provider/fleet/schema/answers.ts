/**
 * Answers under an Idempotency-Key, and the runs that are to give them. A row is taken by a claim,
 * which names itself, so a claim that is sent again is the same one. Whoever takes a row from a
 * session that is over must know that its run will never be charged: so the session is reaped, and
 * where the answer was stored it holds no credit any more, as no turn of it is taken then, or a
 * purchase is taken away from its run. A session whose time is over and that nobody has reaped may
 * come back, and charge.
 *
 * What payers keep is counted in slots, the row's digest says in which: two answers of one payer
 * that are stored at once seldom wait for each other. Nothing counts all payers together; nodes add
 * the slots up now and then.
 */
export const ANSWERS = `
CREATE TABLE answers (
  -- Digest of payer, lane, deployment and key.
  id bytea PRIMARY KEY,
  payer text NOT NULL,
  fingerprint bytea NOT NULL,
  -- Whose run it is; once there is an answer, whose credit pays for it.
  session int4 NOT NULL,
  claim uuid NOT NULL,
  -- Of the claim, and then of the answer.
  at int8 NOT NULL,
  -- null: the run goes on. Of a purchase it is its number below zero.
  reservation int8,
  -- Of headers and body; 0: they are not kept, and why is told.
  bytes int4 NOT NULL DEFAULT 0,
  status int4,
  headers text,
  body bytea,
  why text
);
-- Compressing a megabyte takes longer than writing it.
ALTER TABLE answers ALTER body SET STORAGE EXTERNAL;
CREATE INDEX answers_by_time ON answers (at);
CREATE INDEX answers_with_bodies ON answers (payer, at) WHERE bytes > 0;
CREATE INDEX answers_running ON answers (session) WHERE reservation IS NULL;

CREATE TABLE answers_kept (
  payer text NOT NULL,
  slot int4 NOT NULL,
  answers int8 NOT NULL,
  bytes int8 NOT NULL,
  PRIMARY KEY (payer, slot)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);

CREATE FUNCTION slot_of(_id bytea) RETURNS int4 LANGUAGE sql IMMUTABLE AS $$
  SELECT get_byte(_id, 0) % 16
$$;

CREATE FUNCTION count_answers(_payer text, _slot int4, _answers int8, _bytes int8) RETURNS void
LANGUAGE sql AS $$
  INSERT INTO answers_kept AS k (payer, slot, answers, bytes)
    VALUES (_payer, _slot, _answers, _bytes)
    ON CONFLICT (payer, slot) DO UPDATE SET
      answers = k.answers + excluded.answers, bytes = k.bytes + excluded.bytes
$$;

-- Whether the run that has a reservation was charged.
CREATE FUNCTION was_charged(_reservation int8) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
  IF _reservation IS NULL THEN
    RETURN false;
  ELSIF _reservation >= 0 THEN
    RETURN EXISTS (SELECT FROM journal WHERE reservation = _reservation);
  END IF;
  RETURN EXISTS (SELECT FROM purchases WHERE id = -_reservation AND outcome IS NOT NULL);
END $$;

-- Whether a row holds its key no more. Once it does not, and is as it was, it never will again.
CREATE FUNCTION is_key_free(_session int4, _reservation int8, _at int8, _oldest int8)
RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN _at < _oldest
    OR NOT was_charged(_reservation)
    AND NOT EXISTS (SELECT FROM sessions WHERE id = _session AND NOT reaped)
    AND (coalesce(_reservation, -1) < 0 OR NOT EXISTS (SELECT FROM holds WHERE session = _session));
END $$;

-- Sees to it that no run that is over is charged for a purchase; false: one goes on, or was.
CREATE FUNCTION let_go_1(_purchase int8) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM purchases WHERE id = _purchase FOR UPDATE;
  UPDATE purchases SET run = '' WHERE id = _purchase AND outcome IS NULL
    AND NOT EXISTS (SELECT FROM sessions s WHERE s.id = purchases.session AND NOT s.reaped);
  RETURN FOUND OR NOT EXISTS (SELECT FROM purchases WHERE id = _purchase);
END $$;

-- Whether there is an answer under a key, or a run that may give one.
CREATE FUNCTION is_key_known_1(_id bytea, _window int8) RETURNS boolean LANGUAGE sql AS $$
  SELECT EXISTS (
    SELECT FROM answers
    WHERE id = _id AND NOT is_key_free(session, reservation, at, now_ms() - _window)
  )
$$;

-- Takes a key for one run of a payer that may have so many answers, unless somebody has it.
-- state: 'claimed'; 'running' or 'answered', for the same request or another one; 'full', and when
-- there may be room, in ms.
CREATE FUNCTION claim_key_1(_id bytea, _payer text, _fingerprint bytea, _session int4,
  _claim uuid, _window int8, _most int8,
  OUT state text, OUT is_same boolean, OUT lost text, OUT room_in int8)
LANGUAGE plpgsql AS $$
DECLARE
  a record;
  oldest int8 := now_ms() - _window;
BEGIN
  LOOP
    SELECT claim, reservation, why, fingerprint, bytes, was_charged(reservation) AS is_charged,
        is_key_free(session, reservation, at, oldest) AS is_free
      INTO a FROM answers WHERE id = _id;
    IF FOUND AND a.claim <> _claim THEN
      IF a.is_free AND NOT a.is_charged AND a.reservation < 0 THEN
        -- As free_key_1 does: first the key, then the purchase.
        PERFORM FROM answers WHERE id = _id FOR UPDATE;
        a.is_free := let_go_1(-a.reservation);
      END IF;
      IF NOT a.is_free THEN
        state := CASE WHEN a.is_charged THEN 'answered' ELSE 'running' END;
        is_same := a.fingerprint = _fingerprint;
        lost := a.why;
        RETURN;
      END IF;
      DELETE FROM answers WHERE id = _id AND claim = a.claim
        AND reservation IS NOT DISTINCT FROM a.reservation RETURNING bytes INTO a.bytes;
      CONTINUE WHEN NOT FOUND;
      IF a.reservation IS NOT NULL THEN
        PERFORM count_answers(_payer, slot_of(_id), -1, -a.bytes);
      END IF;
    ELSIF FOUND THEN
      state := 'claimed';
      RETURN;
    END IF;
    IF (SELECT coalesce(sum(answers), 0) FROM answers_kept WHERE payer = _payer) >= _most THEN
      state := 'full';
      room_in := coalesce((SELECT min(at) FROM answers) - oldest, _window);
      RETURN;
    END IF;
    INSERT INTO answers (id, payer, fingerprint, session, claim, at)
      VALUES (_id, _payer, _fingerprint, _session, _claim, now_ms()) ON CONFLICT DO NOTHING;
    IF FOUND THEN
      state := 'claimed';
      RETURN;
    END IF;
  END LOOP;
END $$;

-- Keeps an answer, or why there is none, for the claim that has the key; false: it has it no more.
-- Older answers of the payer make room: what is left of them is the word that they were charged.
-- _payer_bytes: what one payer may take; _free: what is left of what all may take.
CREATE FUNCTION store_answer_1(_id bytea, _claim uuid, _reservation int8, _status int4,
  _headers text, _body bytea, _why text, _payer_bytes int8, _free int8) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  a record;
  o record;
  wanted int8 := coalesce(octet_length(_body) + octet_length(_headers), 0);
  own int8;
  over int8;
  emptied int8[] := array_fill(0::int8, ARRAY[16]);
BEGIN
  SELECT payer, claim, reservation INTO a FROM answers WHERE id = _id FOR UPDATE;
  IF NOT FOUND OR a.claim <> _claim THEN
    RETURN false;
  ELSIF a.reservation IS NOT NULL THEN
    RETURN a.reservation = _reservation;
  END IF;

  IF wanted > 0 THEN
    own := (SELECT coalesce(sum(bytes), 0) FROM answers_kept WHERE payer = a.payer);
    -- Of what it takes and gives up, the one is no more free and the other is.
    over := GREATEST(own + wanted - _payer_bytes, (own + 2 * wanted - _free + 1) / 2);
    IF over > 0 AND over <= own THEN
      FOR o IN SELECT id, bytes FROM answers WHERE payer = a.payer AND bytes > 0
        ORDER BY at FOR UPDATE SKIP LOCKED
      LOOP
        EXIT WHEN over <= 0;
        UPDATE answers SET bytes = 0, status = NULL, headers = NULL, body = NULL,
          why = 'later ones took its place' WHERE id = o.id;
        over := over - o.bytes;
        emptied[slot_of(o.id) + 1] := emptied[slot_of(o.id) + 1] + o.bytes;
      END LOOP;
    END IF;
    IF over > 0 THEN
      wanted := 0;
      _why := 'there was no room for it';
    END IF;
  END IF;

  UPDATE answers SET reservation = _reservation, at = now_ms(), bytes = wanted, why = _why,
    session = CASE WHEN _reservation > 0 THEN (_reservation >> 32)::int4 ELSE session END,
    status = CASE WHEN _why IS NULL THEN _status END,
    headers = CASE WHEN _why IS NULL THEN _headers END,
    body = CASE WHEN _why IS NULL THEN _body END
    WHERE id = _id;
  -- Whoever counts in several slots does it in their order.
  FOR slot IN 0..15 LOOP
    IF slot = slot_of(_id) THEN
      PERFORM count_answers(a.payer, slot, 1, wanted - emptied[slot + 1]);
    ELSIF emptied[slot + 1] > 0 THEN
      PERFORM count_answers(a.payer, slot, 0, -emptied[slot + 1]);
    END IF;
  END LOOP;
  RETURN true;
END $$;

-- A claim's run is over: the key is free, unless the run was charged; false: it may be still.
CREATE FUNCTION free_key_1(_id bytea, _claim uuid) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  a record;
  is_over boolean := true;
BEGIN
  SELECT payer, session, reservation, bytes INTO a
    FROM answers WHERE id = _id AND claim = _claim FOR UPDATE;
  IF NOT FOUND OR was_charged(a.reservation) THEN
    RETURN true;
  END IF;
  IF a.reservation < 0 THEN
    is_over := let_go_1(-a.reservation);
  ELSIF a.reservation >= 0 THEN
    -- While the session lives, its node knows what it charges.
    is_over := EXISTS (SELECT FROM sessions WHERE id = a.session AND NOT reaped)
      OR NOT EXISTS (SELECT FROM holds WHERE session = a.session);
  END IF;
  IF NOT is_over THEN
    RETURN false;
  END IF;
  DELETE FROM answers WHERE id = _id;
  IF a.reservation IS NOT NULL THEN
    PERFORM count_answers(a.payer, slot_of(_id), -1, -a.bytes);
  END IF;
  RETURN true;
END $$;

-- Forgets so many rows that are out of their window; tells how many it were.
CREATE FUNCTION purge_answers_1(_window int8, _rows int4) RETURNS int4 LANGUAGE plpgsql AS $$
DECLARE
  oldest int8 := now_ms() - _window;
  gone int4 := 0;
  g record;
BEGIN
  FOR g IN
    WITH d AS (
      DELETE FROM answers WHERE id = ANY (ARRAY(
        SELECT id FROM answers WHERE at < oldest ORDER BY at LIMIT _rows FOR UPDATE SKIP LOCKED
      )) RETURNING id, payer, reservation, bytes
    )
    SELECT payer, slot_of(id) AS slot, count(*) AS rows, count(reservation) AS answers,
      sum(bytes)::int8 AS bytes FROM d GROUP BY 1, 2 ORDER BY 1, 2
  LOOP
    gone := gone + g.rows;
    IF g.answers > 0 THEN
      PERFORM count_answers(g.payer, g.slot, -g.answers, -g.bytes);
    END IF;
  END LOOP;
  RETURN gone;
END $$;

-- What is kept of all payers; slots that count nothing any more go.
CREATE FUNCTION sum_answers_1(OUT answers int8, OUT bytes int8) LANGUAGE sql AS $$
  DELETE FROM answers_kept WHERE (payer, slot) IN (
    SELECT k.payer, k.slot FROM answers_kept k WHERE k.answers = 0 FOR UPDATE SKIP LOCKED
  );
  SELECT coalesce(sum(k.answers), 0)::int8, coalesce(sum(k.bytes), 0)::int8 FROM answers_kept k
$$;
`;
