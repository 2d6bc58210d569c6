/**
 * The terms that were agreed to from this home, `<home>/terms.json`: a provider's text is asked
 * about once, and again when its name pins another.
 */
import { join } from "node:path";
import * as v from "valibot";
import { type Address, type Hex, isAddressEqual } from "viem";
import { type HomeFile, openHomeFile } from "../home_file.ts";
import { addressShape, hexShape, parseShape } from "../shape.ts";

const agreementShape = v.strictObject({
  /** The provider's. */
  name: v.string(),
  address: addressShape,
  /** keccak256 of the text. */
  terms: hexShape(32),
  /** ISO 8601. */
  agreedAt: v.string(),
});

const fileShape = v.strictObject({ version: v.literal(1), agreed: v.array(agreementShape) });

export type Agreement = v.InferOutput<typeof agreementShape>;

/** A provider as its name describes it now. */
export interface TermsRecord {
  readonly name: string;
  readonly address: Address;
  readonly terms: Hex;
}

/**
 * What was last agreed to with a provider; null when nothing was.
 * @throws KhachapuriError `invalid_config` when the file is damaged
 */
export async function readAgreement(
  home: string,
  record: Pick<TermsRecord, "name" | "address">,
): Promise<Agreement | null> {
  return (await termsFile(home).read()).findLast((each) => isWith(each, record)) ?? null;
}

/** Notes an agreement, in place of the earlier one with this provider. */
export function noteAgreement(
  home: string,
  { name, address, terms }: TermsRecord,
  agreedAt: string,
): Promise<void> {
  const agreement = { name, address, terms, agreedAt };
  return termsFile(home).change((agreed) => [
    ...agreed.filter((each) => !isWith(each, agreement)),
    agreement,
  ]);
}

function isWith(
  agreement: Agreement,
  { name, address }: Pick<TermsRecord, "name" | "address">,
): boolean {
  return agreement.name === name && isAddressEqual(agreement.address, address);
}

function termsFile(home: string): HomeFile<readonly Agreement[]> {
  return openHomeFile<readonly Agreement[]>(join(home, "terms.json"), {
    empty: [],
    parse: (json, path) => parseShape(fileShape, json, path, "invalid_config").agreed,
    toJson: (agreed) => ({ version: 1, agreed }),
  });
}
