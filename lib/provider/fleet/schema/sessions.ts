/**
 * Which nodes live. A node's session has a time until which it is alive, by the database's clock
 * alone; another one gives back what a session held that did not prolong it. That a session is
 * reaped is written before its holds go, so it prolongs nothing from then on; a turn of it that
 * comes late may hold on a lane where it held nothing yet, so holds of the reaped are looked for
 * again and again.
 */
export const SESSIONS = `
CREATE FUNCTION begin_session_1(_node text, _url text, _version text, _facts jsonb) RETURNS int4
LANGUAGE sql AS $$
  INSERT INTO sessions (node, url, version, until, facts)
    VALUES (_node, _url, _version, now() + interval '10 seconds', _facts) RETURNING id
$$;

-- Prolongs a session; false: it was given up, and is none any more.
CREATE FUNCTION beat_1(_session int4, _facts jsonb) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  UPDATE sessions SET until = now() + interval '10 seconds', facts = _facts
    WHERE id = _session AND NOT reaped;
  RETURN FOUND;
END $$;

-- A node leaves: its session is over at once.
CREATE FUNCTION end_session_1(_session int4) RETURNS void LANGUAGE sql AS $$
  UPDATE sessions SET reaped = true, until = now() WHERE id = _session
$$;
`;
