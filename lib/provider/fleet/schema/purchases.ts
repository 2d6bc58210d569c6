/**
 * What was bought by single payments (x402's `exact`), as ledger/purchases.ts has it for one
 * process. Whoever orders something for a payer has the payer's row locked first, so that what its
 * payments under way come to is one sum, at whichever nodes they are. A run has a word that its
 * node made up: what comes again by that word has been done, and what comes by another's, when
 * somebody else has the payment by now, does nothing.
 */
export const PURCHASES = `
CREATE TABLE purchasers (
  payer text PRIMARY KEY,
  -- When it ordered last.
  at int8 NOT NULL,
  -- How many of its payments were reverted, and until when it is not served therefore.
  reverted int4 NOT NULL DEFAULT 0,
  waits_until int8 NOT NULL DEFAULT 0,
  last_revert text
) WITH (fillfactor = 50);

CREATE TABLE purchases (
  id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  chain int8 NOT NULL,
  asset text NOT NULL,
  payer text NOT NULL,
  nonce text NOT NULL,
  pay_to text NOT NULL,
  value numeric NOT NULL,
  valid_after numeric NOT NULL,
  valid_before numeric NOT NULL,
  signature text NOT NULL,
  cid text NOT NULL,
  request bytea NOT NULL,
  key bytea,
  block int8 NOT NULL,
  at int8 NOT NULL,
  state text NOT NULL DEFAULT 'open',
  tx_hash text,
  paid_block int8,
  paid_hash text,
  outcome text,
  facts jsonb,
  -- Whose run it pays for, null: none goes on; and the run's word.
  session int4,
  run text NOT NULL,
  -- The word of whoever sends it, or sent it last.
  sender text,
  -- What the leader is to do for who waits, 'settle' or 'look'; null: nothing, or it is done. With
  -- the word of who wished it, and what it is told where it came to nothing.
  wish text,
  wished text,
  told jsonb,
  UNIQUE (chain, asset, payer, nonce)
) WITH (fillfactor = 70);
CREATE INDEX purchases_under_way ON purchases (payer) WHERE state = 'sent';
CREATE INDEX purchases_running ON purchases (payer) WHERE session IS NOT NULL;
CREATE INDEX purchases_wished ON purchases (id) WHERE wish IS NOT NULL;
CREATE INDEX purchases_unanswered ON purchases (id) WHERE state = 'paid' AND outcome IS NULL;
CREATE INDEX purchases_paid ON purchases (payer, at) WHERE state = 'paid';
CREATE INDEX purchases_by_block ON purchases (paid_block) WHERE state = 'paid';
CREATE INDEX purchases_by_key ON purchases (key) WHERE key IS NOT NULL AND outcome IS NULL;
CREATE INDEX purchases_left ON purchases (at) WHERE state IN ('open', 'void');
CREATE INDEX purchases_old ON purchases (at) WHERE state = 'paid';

CREATE FUNCTION session_lives(_session int4) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT EXISTS (SELECT FROM sessions WHERE id = _session AND NOT reaped AND until >= now())
$$;

-- A row as SQLite has it, but for bytes, which are hex.
CREATE FUNCTION purchase_json(p purchases) RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('id', p.id, 'payer', p.payer, 'nonce', p.nonce, 'payTo', p.pay_to,
    'value', p.value::text, 'validAfter', p.valid_after::text,
    'validBefore', p.valid_before::text, 'signature', p.signature, 'cid', p.cid,
    'request', encode(p.request, 'hex'), 'key', encode(p.key, 'hex'), 'block', p.block::text,
    'at', p.at, 'state', p.state, 'txHash', p.tx_hash, 'paidBlock', p.paid_block::text,
    'paidHash', p.paid_hash, 'outcome', p.outcome, 'facts', p.facts::text)
$$;

-- What a payer's payments under way may take out of its wallet, and what was taken since.
CREATE FUNCTION promised_1(_payer text, _since int8) RETURNS numeric LANGUAGE sql STABLE AS $$
  SELECT coalesce(sum(value), 0) FROM (
    SELECT value FROM purchases WHERE payer = _payer AND state = 'sent'
    UNION ALL SELECT value FROM purchases WHERE payer = _payer AND state = 'paid' AND at >= _since
    UNION ALL SELECT value FROM purchases
      WHERE payer = _payer AND session IS NOT NULL AND state = 'open' AND session_lives(session)
  ) under_way
$$;

-- Takes a payment for a run: { purchase }, or { reason, … } why it is none. Numbers of _order are
-- text, bytes hex. _most: so many are settled at once.
CREATE FUNCTION purchase_order_1(_session int4, _run text, _order jsonb, _balance numeric,
  _since int8, _may_begin boolean, _most int4) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  o record;
  p purchases;
  is_own boolean;
  _reason text;
  _waits_until int8;
  _promised numeric;
BEGIN
  SELECT x.*, decode(x.request_hex, 'hex') AS request, decode(x.key_hex, 'hex') AS key INTO o
    FROM jsonb_to_record(_order) AS x(chain int8, asset text, payer text, nonce text, pay_to text,
      value numeric, valid_after numeric, valid_before numeric, signature text, cid text,
      request_hex text, key_hex text, block int8);
  INSERT INTO purchasers AS had (payer, at) VALUES (o.payer, now_ms())
    ON CONFLICT (payer) DO UPDATE SET at = excluded.at RETURNING waits_until INTO _waits_until;
  SELECT * INTO p FROM purchases
    WHERE payer = o.payer AND session = _session AND run = _run;
  IF FOUND THEN
    RETURN jsonb_build_object('purchase', purchase_json(p));
  END IF;
  IF NOT session_lives(_session) THEN
    RETURN '{"reason": "over"}';
  END IF;

  SELECT * INTO p FROM purchases
    WHERE chain = o.chain AND asset = o.asset AND payer = o.payer AND nonce = o.nonce
    FOR NO KEY UPDATE;
  is_own := FOUND;
  IF NOT is_own AND NOT _may_begin THEN
    RETURN '{"reason": "forgotten"}';
  END IF;
  IF NOT is_own AND o.key IS NOT NULL THEN
    -- Its client has signed another payment for what it has paid for: that one stays the payer's.
    SELECT * INTO p FROM purchases
      WHERE key = o.key AND outcome IS NULL AND state IN ('sent', 'paid') AND payer = o.payer
        AND cid = o.cid AND request = o.request
      ORDER BY id LIMIT 1 FOR NO KEY UPDATE;
  END IF;
  IF p.id IS NOT NULL THEN
    _reason := CASE
      WHEN is_own AND (p.pay_to, p.value, p.valid_after, p.valid_before, p.signature, p.cid,
          p.request) IS DISTINCT FROM (o.pay_to, o.value, o.valid_after, o.valid_before,
          o.signature, o.cid, o.request) THEN 'used'
      WHEN p.outcome IS NOT NULL THEN 'answered'
      WHEN session_lives(p.session) THEN 'running'
      WHEN p.state = 'void' THEN 'void'
      -- Once a transaction may be out, all the world can send the same.
      WHEN (p.state <> 'open' OR p.tx_hash IS NOT NULL) AND p.key IS DISTINCT FROM o.key
        THEN 'elsewhere'
    END;
    IF _reason IS NOT NULL THEN
      RETURN jsonb_build_object('reason', _reason);
    END IF;
  END IF;

  IF p.id IS NULL OR p.state = 'open' THEN
    IF _waits_until > now_ms() THEN
      RETURN jsonb_build_object('reason', 'reverted', 'waitMs', _waits_until - now_ms());
    END IF;
    IF (SELECT count(*) FROM purchases WHERE wish = 'settle') >= _most THEN
      RETURN '{"reason": "full"}';
    END IF;
    _promised := promised_1(o.payer, _since);
    IF _promised + o.value > _balance THEN
      RETURN jsonb_build_object('reason', 'unfunded', 'balance', _balance::text,
        'promised', _promised::text);
    END IF;
  END IF;
  IF p.id IS NULL THEN
    INSERT INTO purchases (chain, asset, payer, nonce, pay_to, value, valid_after, valid_before,
        signature, cid, request, key, block, at, session, run)
      VALUES (o.chain, o.asset, o.payer, o.nonce, o.pay_to, o.value, o.valid_after,
        o.valid_before, o.signature, o.cid, o.request, o.key, o.block, now_ms(), _session, _run)
      RETURNING * INTO p;
  ELSE
    UPDATE purchases SET session = _session, run = _run, wish = NULL, wished = NULL, told = NULL
      WHERE id = p.id RETURNING * INTO p;
  END IF;
  RETURN jsonb_build_object('purchase', purchase_json(p));
END $$;

-- A run has ended, and is what was bought; false: others have had the payment since.
CREATE FUNCTION purchase_answered_1(_id int8, _run text, _outcome text, _facts jsonb)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  UPDATE purchases SET outcome = _outcome, facts = _facts
    WHERE id = _id AND run = _run AND outcome IS NULL;
  RETURN FOUND OR EXISTS (SELECT FROM purchases WHERE id = _id AND run = _run);
END $$;

-- Has the leader do something. What a run wishes is wished for as long as the run lives; a look is
-- one with what is wished already.
CREATE FUNCTION purchase_wish_1(_id int8, _wish text, _word text) RETURNS void LANGUAGE sql AS $$
  UPDATE purchases SET wish = _wish, wished = _word, told = NULL
    WHERE id = _id AND wished IS DISTINCT FROM _word AND state <> 'paid'
      AND CASE WHEN _wish = 'settle' THEN run = _word AND session_lives(session)
        ELSE wish IS NULL END
$$;

-- What who leads is to do. For a run that is over nothing is: what may be out is looked after.
CREATE FUNCTION purchase_wishes_1(_session int4, _term int8)
RETURNS TABLE (wish text, word text, purchase jsonb) LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM leader WHERE session = _session AND term = _term) THEN RETURN; END IF;
  UPDATE purchases p SET wish = NULL
    WHERE p.wish = 'settle' AND NOT session_lives(p.session);
  RETURN QUERY SELECT p.wish, p.wished, purchase_json(p) FROM purchases p
    WHERE p.wish IS NOT NULL ORDER BY p.id;
END $$;

-- A transaction is about to go out, says who leads, under a word of its own; false: it does not.
CREATE FUNCTION purchase_sending_1(_session int4, _term int8, _id int8, _word text)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF NOT leads_1(_session, _term) THEN RETURN false; END IF;
  UPDATE purchases SET state = 'sent', sender = _word,
    at = CASE state WHEN 'open' THEN now_ms() ELSE at END
    WHERE id = _id AND state IN ('open', 'sent') AND sender IS DISTINCT FROM _word;
  RETURN true;
END $$;

-- A payment of the payer's was reverted: it waits, twice as long each time.
CREATE FUNCTION purchaser_reverted_1(_payer text, _word text, _first_ms int8, _most_ms int8)
RETURNS void LANGUAGE sql AS $$
  UPDATE purchasers SET reverted = reverted + 1, last_revert = _word,
    waits_until = now_ms() + LEAST(_first_ms * 2 ^ LEAST(reverted, 30), _most_ms)::int8
    WHERE payer = _payer AND last_revert IS DISTINCT FROM _word
$$;

-- What is over goes, so many rows of each kind: soon where nobody paid, never while one is under
-- way. Tells whether there may be more.
CREATE FUNCTION purchases_purge_1(_unpaid_ms int8, _kept_ms int8, _most int4) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  gone int4;
  is_more boolean := false;
BEGIN
  DELETE FROM purchases WHERE id IN (
    SELECT id FROM purchases
    WHERE state IN ('open', 'void') AND at <= now_ms() - _unpaid_ms
      AND (state = 'void' OR tx_hash IS NULL OR at <= now_ms() - _kept_ms)
      AND NOT session_lives(session)
    LIMIT _most FOR UPDATE SKIP LOCKED);
  GET DIAGNOSTICS gone = ROW_COUNT;
  is_more := is_more OR gone = _most;
  DELETE FROM purchases WHERE id IN (
    SELECT id FROM purchases
    WHERE state = 'paid' AND at <= now_ms() - _kept_ms AND NOT session_lives(session)
    LIMIT _most FOR UPDATE SKIP LOCKED);
  GET DIAGNOSTICS gone = ROW_COUNT;
  is_more := is_more OR gone = _most;
  DELETE FROM purchasers WHERE payer IN (
    SELECT payer FROM purchasers
    WHERE at <= now_ms() - _unpaid_ms AND waits_until <= now_ms() - _kept_ms
    LIMIT _most FOR UPDATE SKIP LOCKED);
  GET DIAGNOSTICS gone = ROW_COUNT;
  is_more := is_more OR gone = _most;
  RETURN is_more;
END $$;
`;
