/** The escrow's logs, encoded from the events as IEscrow.sol declares them. */
import assert from "node:assert/strict";
import {
  type AbiEvent,
  type Address,
  encodeAbiParameters,
  encodeEventTopics,
  getAddress,
  type Hex,
  type Log as ChainLog,
  parseAbiItem,
  toFunctionSelector,
} from "viem";
import { parseEscrowLogs, payerEventsIn, settlementsIn, skipReason } from "./escrow_events.ts";

const ESCROW = getAddress(`0x${"e5".repeat(20)}`);
const PAYER = getAddress(`0x${"a1".repeat(20)}`);
const PROVIDER = getAddress(`0x${"b2".repeat(20)}`);
const LANE: Hex = `0x${"1a".repeat(32)}`;
const TX: Hex = `0x${"7a".repeat(32)}`;

const EVENTS = {
  deposited: parseAbiItem("event Deposited(address indexed payer, uint256 amount)"),
  allowed: parseAbiItem(
    "event Allowed(address indexed payer, address indexed provider, uint128 pricePerCredit, uint128 credits, address signer)",
  ),
  revokeStarted: parseAbiItem(
    "event RevokeStarted(address indexed payer, address indexed provider, uint128 thawingCredits, uint64 thawEnd)",
  ),
  reclaimed: parseAbiItem(
    "event Reclaimed(address indexed payer, address indexed provider, uint128 credits, uint256 amount)",
  ),
  charged: parseAbiItem(
    "event Charged(address indexed payer, address indexed provider, bytes32 indexed lane, uint256 credits, uint256 cumulative, uint256 price)",
  ),
  epochBumped: parseAbiItem(
    "event EpochBumped(address indexed payer, address indexed provider, uint32 epoch, uint64 epochEnd)",
  ),
  chargeSkipped: parseAbiItem(
    "event ChargeSkipped(address indexed payer, address indexed provider, bytes32 indexed lane, uint256 credits, bytes4 reason)",
  ),
};

/** A log of block 9; `data` fills what is not indexed, in order. */
function logOf(event: AbiEvent, data: readonly unknown[], address: Address = ESCROW): ChainLog {
  const args = { payer: PAYER, provider: PROVIDER, lane: LANE };
  return {
    address,
    topics: encodeEventTopics({ abi: [event], args }) as [Hex, ...Hex[]],
    data: encodeAbiParameters(event.inputs.filter(({ indexed }) => !indexed), data),
    blockNumber: 9n,
    blockHash: `0x${"09".repeat(32)}`,
    blockTimestamp: 1n,
    transactionHash: TX,
    transactionIndex: 0,
    logIndex: 0,
    removed: false,
  };
}

const charged = (address?: Address) => logOf(EVENTS.charged, [2n, 7n, 1_000n], address);

Deno.test("what concerns a provider's books is read from the escrow's logs, in their order", () => {
  const skipped = logOf(EVENTS.chargeSkipped, [9n, "0x12345678"]);
  const events = parseEscrowLogs(ESCROW, [
    logOf(EVENTS.allowed, [1_000n, 50n, PAYER]),
    logOf(EVENTS.deposited, [5n]),
    skipped,
    charged(),
    logOf(EVENTS.revokeStarted, [3n, 4n]),
    logOf(EVENTS.reclaimed, [3n, 3_000n]),
  ]);
  assert.deepEqual(
    events.map(({ eventName }) => eventName),
    ["Allowed", "ChargeSkipped", "Charged", "RevokeStarted", "Reclaimed"],
  );
  assert.ok(events.every(({ args }) => args.payer === PAYER && args.provider === PROVIDER));
  const { args, blockNumber } = events[1]!;
  assert.equal(blockNumber, 9n);
  assert.deepEqual(args, {
    payer: PAYER,
    provider: PROVIDER,
    lane: LANE,
    credits: 9n,
    reason: "0x12345678",
  });
});

Deno.test("another contract's logs are passed over, however an address is spelled", () => {
  const other = getAddress(`0x${"e6".repeat(20)}`);
  const small = ESCROW.toLowerCase() as Address;
  assert.equal(parseEscrowLogs(ESCROW, [charged(other), charged(small)]).length, 1);
  assert.equal(parseEscrowLogs(small, [charged(other), charged()]).length, 1);
});

Deno.test("a charge settles its lane up to its counter; nothing else does", () => {
  const events = parseEscrowLogs(ESCROW, [
    logOf(EVENTS.allowed, [1_000n, 50n, PAYER]),
    charged(),
    logOf(EVENTS.chargeSkipped, [9n, "0x12345678"]),
  ]);
  assert.deepEqual(settlementsIn(events), [
    { fact: "settled", payer: PAYER, lane: LANE, settled: 7n, block: 9n, transaction: TX },
  ]);
});

Deno.test("what happened to an allowance is told with all its numbers", () => {
  const events = parseEscrowLogs(ESCROW, [
    logOf(EVENTS.allowed, [1_000n, 50n, PAYER]),
    logOf(EVENTS.revokeStarted, [3n, 4n]),
    logOf(EVENTS.chargeSkipped, [9n, "0x12345678"]),
    logOf(EVENTS.reclaimed, [3n, 3_000n]),
    logOf(EVENTS.epochBumped, [2, 99n]),
    charged(),
  ]);
  const about = { payer: PAYER, block: 9n };
  assert.deepEqual(payerEventsIn(events), [
    { ...about, event: "allowed", pricePerCredit: 1_000n, credits: 50n, signer: PAYER },
    { ...about, event: "revoke_started", thawingCredits: 3n, thawEnd: 4n },
    { ...about, event: "reclaimed", credits: 3n },
    { ...about, event: "epoch_bumped", epoch: 2, epochEnd: 99n },
    { ...about, event: "charged", lane: LANE, credits: 2n, settled: 7n },
  ]);
});

Deno.test("a skipped row says why by the selector of the escrow's error", () => {
  const errors = [
    "AlreadyCharged",
    "InsufficientCredits",
    "InvalidSignature",
    "PermitExceeded",
    "PermitExpired",
    "PriceTooHigh",
  ];
  for (const error of errors) assert.equal(skipReason(toFunctionSelector(`${error}()`)), error);
  assert.equal(skipReason(toFunctionSelector("NotOperator(address,address)")), "NotOperator");
  assert.equal(skipReason("0xdeadbeef"), "0xdeadbeef", "what is not known is told as it came");
});
