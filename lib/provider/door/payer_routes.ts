/** Paths for who pays: a lane's counter, the ways in and out without gas, a receipt. */
import * as v from "valibot";
import { messageFromJson } from "../../chain/payer_message.ts";
import { offerToJson, relayedToJson } from "../../chain/relay_offer.ts";
import { KhachapuriError } from "../../errors.ts";
import { laneCountToJson } from "../../lane_count.ts";
import { depositFromJson } from "../../deposit_authorization.ts";
import { decodePaymentHeader, PAYMENT_SIGNATURE_HEADER } from "../../payment_header.ts";
import { receiptToJson } from "../../receipt.ts";
import { addressShape, parseShape } from "../../shape.ts";
import type { Answer, HttpRequest } from "../http/request.ts";
import type { DueLane } from "../ledger/ledger.ts";
import { jsonAnswer, readJson } from "./json.ts";
import type { RouteParts } from "./parts.ts";

const onboardShape = v.strictObject({ payer: addressShape, deposit: v.unknown() });

/**
 * A lane's counter, for whoever shows a permit of it; one for no credit will do. What of the
 * payer's is due on all of its lanes is told to who shows one that never was in time: a permit that
 * pays may be in other hands.
 */
export async function lane(
  { seller, money }: RouteParts,
  request: HttpRequest,
): Promise<Answer> {
  const header = request.fields.get(PAYMENT_SIGNATURE_HEADER);
  if (header === null) {
    throw new KhachapuriError("payment_required", "a lane's count is its payer's alone", {
      hints: [`send any permit of the lane in ${PAYMENT_SIGNATURE_HEADER}`],
    });
  }
  const { permit } = decodePaymentHeader(header, seller);
  const count = await money.credits.count(permit, request.sender.address);
  const due = permit.deadline === 0n ? await money.ledger.dueOf(permit.payer) : null;
  return jsonAnswer({
    payer: permit.payer,
    ...laneCountToJson(count),
    ...(due ? { due: due.map(dueToJson) } : {}),
  });
}

/** Integers as decimal strings, the amount in USDC base units. */
function dueToJson({ lane, settled, amount }: DueLane) {
  return { lane, settled: String(settled), amount: String(amount) };
}

/** A payer's signed deposit and allowance, without a call. */
export async function onboard(
  { money, gate }: RouteParts,
  request: HttpRequest,
): Promise<Answer> {
  const asked = parseShape(onboardShape, await readJson(request), "request body", "invalid_input");
  // Money that could buy nothing here is not taken.
  gate.welcome.assertPayer(asked.payer);
  const deposit = depositFromJson(asked.deposit);
  const transaction = await money.onboarding.relay(asked.payer, deposit, request.sender.address);
  return jsonAnswer({ payer: asked.payer, transaction });
}

/** On which terms a payer's messages are relayed. */
export async function relayOffer({ money }: RouteParts): Promise<Answer> {
  return jsonAnswer(offerToJson(await money.messages.offer()));
}

/** A payer's signed message to the escrow. */
export async function relay(
  { money }: RouteParts,
  request: HttpRequest,
): Promise<Answer> {
  const signed = messageFromJson(await readJson(request));
  const relayed = await money.messages.relay(signed, request.sender.address);
  return jsonAnswer(relayedToJson(signed.payer, relayed));
}

/** Whoever has the address may see it: it was given to the caller alone. */
export async function receipt(
  { money }: RouteParts,
  request: HttpRequest,
): Promise<Answer> {
  return jsonAnswer(receiptToJson(await money.receipts.read(request.path)));
}
