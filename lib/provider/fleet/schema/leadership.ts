/**
 * Which node sends: one row. The database's clock says when another may begin to lead. That who
 * leads no more changes nothing hangs on no clock: whatever a leader writes checks its session and
 * its term (outbox.ts), and each time that somebody begins to lead is a term of its own.
 */
export const LEADERSHIP = `
CREATE TABLE leader (
  id int2 PRIMARY KEY DEFAULT 1 CHECK (id = 1),
  -- Null: it has resigned.
  session int4,
  term int8 NOT NULL DEFAULT 0,
  until timestamptz NOT NULL DEFAULT '-infinity',
  -- What the leader tells the others.
  facts jsonb NOT NULL DEFAULT '{}'
) WITH (fillfactor = 50);
INSERT INTO leader DEFAULT VALUES;

-- Who leads, where anybody does.
CREATE FUNCTION leader_1() RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('session', CASE WHEN until >= now() THEN session END,
    'term', term, 'facts', facts) FROM leader
$$;

-- Goes on to lead in a term, or begins another one where nobody leads, or only its own session, by
-- a word that it did not hear the answer of. Returns who leads then, and whether that is it.
CREATE FUNCTION lead_1(_session int4, _term int8, _facts jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
BEGIN
  UPDATE leader SET
    term = term + (session IS DISTINCT FROM _session OR term IS DISTINCT FROM _term)::int,
    session = _session,
    until = now() + interval '10 seconds',
    facts = coalesce(_facts, facts)
    WHERE (session IS NULL OR session = _session OR until < now())
      AND EXISTS (SELECT FROM sessions WHERE id = _session AND NOT reaped);
  RETURN leader_1() || jsonb_build_object('isIt', FOUND);
END $$;

CREATE FUNCTION resign_1(_session int4) RETURNS void LANGUAGE sql AS $$
  UPDATE leader SET session = NULL, until = now() WHERE session = _session
$$;

-- Whether somebody leads in that term still; nobody else begins to until this transaction ends.
CREATE FUNCTION leads_1(_session int4, _term int8) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM leader WHERE session = _session AND term = _term FOR SHARE;
  RETURN FOUND;
END $$;
`;
