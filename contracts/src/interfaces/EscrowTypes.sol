// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @notice What a payer has set aside for one provider.
/// @param pricePerCredit Highest price of a credit, token base units; `credits * pricePerCredit` is
/// locked.
/// @param credits Credits left.
/// @param thawingCredits Part of `credits` that the payer may reclaim at `thawEnd`; the provider
/// should no longer serve against it, and may still charge it until it is reclaimed.
/// @param thawEnd Unix seconds; zero when nothing thaws.
/// @param signer The EOA that signs permits in the payer's place; zero when the payer itself does.
/// @param epoch The epoch in force: permits of an earlier one are void.
/// @param epochEnd When `epoch` ends, Unix seconds: permits of `epoch` count before, those of
/// `epoch + 1` already now. Zero while no bump is pending.
struct Allowance {
    uint128 pricePerCredit;
    uint128 credits;
    uint128 thawingCredits;
    uint64 thawEnd;
    address signer;
    uint32 epoch;
    uint64 epochEnd;
}

/// @notice A payer's EIP-712 signature over
/// `Permit(address payer,address provider,bytes32 lane,` `uint128 price,uint128 credits,`
/// `uint64 deadline,uint32 epoch)`: "this provider may charge me up to `credits` in total on this
/// lane, each at most `price`".
/// @param payer Whose allowance is charged.
/// @param provider Who may charge it.
/// @param lane The counter; it never goes back, whatever happens to the allowance.
/// @param price Highest price of one credit, token base units.
/// @param credits Cumulative on the lane: the most that its counter may reach.
/// @param deadline Unix seconds; the last second at which the escrow takes it.
/// @param epoch The payer's epoch at this provider; when the payer bumps it, the permit is void a
/// thawing period later.
/// @param signature r, s, v (65 bytes, low s) by the allowance's signer.
struct Permit {
    address payer;
    address provider;
    bytes32 lane;
    uint128 price;
    uint128 credits;
    uint64 deadline;
    uint32 epoch;
    bytes signature;
}

/// @notice What makes a payer's message good for somebody else to send.
/// @param feeMax The most that the relayer may take out of the payer's free balance, token base
/// units.
/// @param nonce `nonces(payer)`.
/// @param deadline Unix seconds; the last second at which the escrow takes it.
/// @param signature r, s, v (65 bytes, low s) by the payer itself, never by an allowance's signer,
/// over the EIP-712 message that the function names.
struct Authorization {
    uint256 feeMax;
    uint256 nonce;
    uint64 deadline;
    bytes signature;
}

/// @notice One row of a settlement.
/// @param permit What the payer signed.
/// @param credits What the lane's counter shall reach; cumulative, at most `permit.credits`.
/// @param price Price of each new credit, at most `permit.price` and the allowance's price.
struct Charge {
    Permit permit;
    uint128 credits;
    uint128 price;
}
