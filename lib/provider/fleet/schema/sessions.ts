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

-- Gives back what a session holds of one account; the account's lock keeps turns of it away.
CREATE FUNCTION give_back_1(_session int4, _account int8) RETURNS int8 LANGUAGE plpgsql AS $$
DECLARE
  gone int8;
BEGIN
  PERFORM FROM accounts WHERE id = _account FOR NO KEY UPDATE;
  WITH d AS (
    DELETE FROM holds WHERE session = _session AND account = _account RETURNING lane, credits
  ), l AS (
    UPDATE lanes SET held = lanes.held - d.credits FROM d
      WHERE lanes.id = d.lane AND d.credits > 0
  )
  SELECT coalesce(sum(credits), 0)::int8 INTO gone FROM d;
  UPDATE accounts SET held = held - gone WHERE id = _account AND gone > 0;
  RETURN gone;
END $$;

-- Ends sessions whose time is over, and tells where such sessions hold something still.
CREATE FUNCTION expire_1() RETURNS TABLE (session int4, account int8) LANGUAGE plpgsql AS $$
BEGIN
  UPDATE sessions SET reaped = true WHERE NOT reaped AND until < now();
  RETURN QUERY
    SELECT DISTINCT h.session, h.account FROM holds h JOIN sessions s ON s.id = h.session
    WHERE s.reaped;
END $$;

-- A node leaves: its session is over at once.
CREATE FUNCTION end_session_1(_session int4) RETURNS void LANGUAGE sql AS $$
  UPDATE sessions SET reaped = true, until = now() WHERE id = _session
$$;
`;
