/** What nodes read of lanes, how a lane is opened, and what the chain tells of one. */
export const LANES = `
-- How many of an account's lanes have to be settled still or were refused, and what they owe.
CREATE FUNCTION standing_json(_account int8) RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('open', count(*),
    'owed', coalesce(sum(owed) FILTER (WHERE refused IS NULL), 0)::text)
  FROM lanes WHERE account = _account AND (due OR refused IS NOT NULL)
$$;

-- A payer's account and one of its lanes: null for what was never opened.
CREATE FUNCTION look_1(_payer text, _lane text) RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('account', account_json(a), 'standing', standing_json(a.id),
    'lane', (SELECT lane_json(l) FROM lanes l WHERE l.account = a.id AND l.lane = _lane))
  FROM accounts a WHERE a.payer = _payer
$$;

-- From where the escrow's counters of a payer have to be read at a block: what is settled here, and
-- the lanes whose counter may differ from ours, with the one that was asked for. Each has an index:
-- a payer may have any number of others.
CREATE FUNCTION basis_1(_payer text, _lane text, _block int8) RETURNS jsonb LANGUAGE sql STABLE
AS $$
  SELECT jsonb_build_object(
    'settledHere', coalesce((SELECT settled::text FROM accounts WHERE payer = _payer), '0'),
    'lanes', coalesce((
      SELECT jsonb_agg(jsonb_build_array(x.lane, x.settled::text)) FROM (
        SELECT l.lane, l.settled FROM accounts a JOIN lanes l ON l.account = a.id
          WHERE a.payer = _payer AND l.lane = _lane
        UNION SELECT l.lane, l.settled FROM accounts a JOIN lanes l ON l.account = a.id
          WHERE a.payer = _payer AND (l.due OR l.refused IS NOT NULL)
        UNION SELECT l.lane, l.settled FROM accounts a JOIN lanes l ON l.account = a.id
          WHERE a.payer = _payer AND l.settled_block > _block AND l.settled_block > 0
      ) AS x
    ), '[]'))
$$;

-- The escrow had taken _opened of a lane when it came here first. Another node may have been
-- quicker: then it is as that one opened it.
CREATE FUNCTION open_1(_payer text, _lane text, _opened int8) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  _account int8;
BEGIN
  INSERT INTO accounts (payer) VALUES (_payer) ON CONFLICT DO NOTHING;
  SELECT id INTO _account FROM accounts WHERE payer = _payer FOR NO KEY UPDATE;
  INSERT INTO lanes (account, lane, opened, opened_at, charged, settled)
    VALUES (_account, _lane, _opened, now_ms(), _opened, _opened)
    ON CONFLICT DO NOTHING;
  RETURN look_1(_payer, _lane);
END $$;

-- Lanes that nobody charged or holds are as if they were never opened. A node that knows one still
-- is told by its next turn that it is gone, and opens it again.
CREATE FUNCTION forget_lanes_1(_account int8, _lanes int8[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM accounts WHERE id = _account FOR NO KEY UPDATE;
  DELETE FROM lanes WHERE id = ANY(_lanes) AND account = _account AND charged = opened AND held = 0
    AND settled_block = 0 AND NOT due AND refused IS NULL
    AND NOT EXISTS (
      SELECT FROM sessions s JOIN holds h ON h.session = s.id AND h.lane = lanes.id
      WHERE NOT s.reaped);
END $$;

-- What the chain told, fact by fact; a fact about a lane that was never opened is passed over.
-- _facts: [{ payer, lane, fact: "settled" | "level" | "refused", settled, block, final, reason }];
-- "final" is a block that no reorganisation reaches any more.
CREATE FUNCTION record_1(_facts jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  f record;
  l record;
  _account int8;
  raised int8;
BEGIN
  FOR f IN
    SELECT a.id AS account, x.* FROM jsonb_array_elements(_facts) WITH ORDINALITY AS e(fact, nr),
      jsonb_to_record(e.fact)
        AS x(payer text, lane text, fact text, settled int8, block int8, final int8, reason text)
      JOIN accounts a USING (payer)
    ORDER BY a.id, e.nr
  LOOP
    PERFORM FROM accounts WHERE id = f.account FOR NO KEY UPDATE;
    SELECT * INTO l FROM lanes WHERE account = f.account AND lane = f.lane;
    CONTINUE WHEN NOT FOUND;
    IF f.fact = 'refused' THEN
      UPDATE lanes SET refused = f.reason, due = false, version = version + 1 WHERE id = l.id;
      CONTINUE;
    END IF;
    CONTINUE WHEN f.fact = 'settled' AND l.settled >= f.settled;
    -- Nobody's credits are prepaid here: what the escrow took beyond ours is counted as used
    -- before.
    raised := GREATEST(0, f.settled - l.charged);
    UPDATE accounts SET settled = settled + f.settled - l.settled - raised WHERE id = f.account;
    l.charged := l.charged + raised;
    l.ages_at := CASE WHEN l.charged > f.settled THEN l.ages_at ELSE '{}' END;
    l.ages_beyond := CASE WHEN l.charged > f.settled THEN l.ages_beyond ELSE '{}' END;
    WHILE cardinality(l.ages_at) > 1 AND l.ages_beyond[2] <= f.settled LOOP
      l.ages_at := l.ages_at[2:];
      l.ages_beyond := l.ages_beyond[2:];
    END LOOP;
    IF l.charged > f.settled AND (cardinality(l.ages_at) = 0 OR f.settled < l.ages_beyond[1]) THEN
      l.ages_at := l.opened_at || l.ages_at;
      l.ages_beyond := f.settled || l.ages_beyond;
    END IF;
    -- What may be due again has its prices still; the last is gone on with.
    l.steps_settled := LEAST(l.steps_settled, f.settled);
    IF l.steps_block <= f.final THEN
      WHILE cardinality(l.steps_upto) > 1 AND l.steps_upto[1] <= l.steps_settled LOOP
        l.steps_upto := l.steps_upto[2:];
        l.steps_price := l.steps_price[2:];
      END LOOP;
      l.steps_settled := f.settled;
      l.steps_block := f.block;
    END IF;
    UPDATE lanes SET charged = l.charged, opened = opened + raised, settled = f.settled,
      settled_block = f.block, refused = NULL, version = version + 1,
      due = l.charged > f.settled AND cardinality(l.steps_upto) > 0,
      owed = owed_of(f.settled, l.charged, l.steps_upto, l.steps_price),
      steps_upto = l.steps_upto, steps_price = l.steps_price,
      steps_settled = l.steps_settled, steps_block = l.steps_block,
      ages_at = l.ages_at, ages_beyond = l.ages_beyond
      WHERE id = l.id;
  END LOOP;
END $$;

-- What was read above the block may not be so any more: what is read from now on binds, though it
-- is of an earlier block.
CREATE FUNCTION forget_above_1(_block int8) RETURNS void LANGUAGE sql AS $$
  UPDATE accounts SET ceiling_block = _block WHERE ceiling_block > _block
$$;
`;
