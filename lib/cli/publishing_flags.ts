/** The flags that name places to publish to, beside --kubo, which every command takes. */
export const PUBLISHING_OPTIONS = {
  pinata: {
    type: "boolean",
    description: "copy to Pinata; its JWT is in KHACHAPURI_PINATA_JWT or a file (config.json)",
  },
  pin: {
    type: "string",
    value: "URL",
    multiple: true,
    description: "have a pinning service copy it; its token is in KHACHAPURI_PIN_TOKEN",
  },
} as const;

export interface PublishingFlags {
  readonly pinata: boolean;
  readonly pin: readonly string[];
  readonly out: string | undefined;
}
