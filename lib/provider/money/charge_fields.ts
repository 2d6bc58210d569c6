/** What a paid answer's head tells the caller of its money. */
import { CREDITS_LEFT_HEADER } from "../../credits_headers.ts";
import {
  type ChargeNotice,
  PAYMENT_RESPONSE_HEADER,
  paymentResponse,
  toHeader,
} from "../../payment_header.ts";
import { RECEIPT_HEADER } from "../../receipt.ts";
import type { HeaderField } from "../http/header_rules.ts";

/** A page of another origin may read what it paid. */
const READABLE: HeaderField = [
  "access-control-expose-headers",
  [PAYMENT_RESPONSE_HEADER, RECEIPT_HEADER, CREDITS_LEFT_HEADER].join(", "),
];

/** @param receipt its path */
export function chargeFields(receipt: string, notice: ChargeNotice): HeaderField[] {
  return [
    [PAYMENT_RESPONSE_HEADER, toHeader(paymentResponse(notice))],
    [RECEIPT_HEADER, receipt],
    [CREDITS_LEFT_HEADER, String(notice.availableCredits)],
    READABLE,
  ];
}
