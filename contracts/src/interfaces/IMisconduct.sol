// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Receipt} from "../types/Receipt.sol";
import {Summons} from "../types/Summons.sol";
import {IAIVMToken} from "./IAIVMToken.sol";
import {IEscrowManager} from "./IEscrowManager.sol";
import {IModelRegistry} from "./IModelRegistry.sol";
import {IStaking} from "./IStaking.sol";

/// @title What receipts alone convict, and what providers must show for theirs
/// @notice Nothing is computed here, and nothing is narrowed down; those are the dispute game's affairs.
///
/// *Reports* convict at once: two answers to one job (`equivocation`), or a job id that is not the hash of its parts
/// (`inconsistent`). A report is announced first, as a seal that hides it, and made `SEALED_FOR` later: whoever sees
/// the report in the mempool and copies it has announced nothing, and cannot take the award.
///
/// A *summons* asks a provider to show, within `ANSWER_TIME`, what stands behind an order: (provider, client, job).
/// Where the receipt names a channel, it is a voucher for the job that the channel's client has signed; the job id hashes
/// program root and input root, so the client has agreed to both. Where it names none, nobody has paid and nobody has
/// agreed; then it is the model's publisher who must stand behind the program: its root is under the registry's
/// `programs` of the model. Who is silent is convicted; who answers gets half of the summoner's bond.
///
/// A claim is penalised once, however often it is signed, and an order once. Penalties, awards, bond and window are those
/// of the dispute game, but the offences are others: a conviction here ends no game, and none there ends a summons.
/// A conviction that ended games would be a provider's way out of them, for half of the penalty.
/// Invariant: the token balance is at least the bonds of all pending summonses.
interface IMisconduct {
    /// @notice Two answers to one job. `taken` of the stake, of which reporter and client got their parts.
    event Equivocated(bytes32 indexed job, address indexed provider, address indexed reporter, uint256 taken);
    /// @notice The receipt's job id is not the hash of its parts.
    event Inconsistent(bytes32 indexed job, address indexed provider, address indexed reporter, uint256 taken);
    event Summoned(
        bytes32 indexed order, address indexed provider, address indexed summoner, uint64 deadline, Receipt receipt
    );
    /// @notice What stands behind the order is proven; `summoner` lost the bond (zero: nobody had asked).
    event Shown(bytes32 indexed order, address indexed provider, address indexed summoner);
    /// @notice The provider showed nothing in time.
    event Lapsed(bytes32 indexed order, address indexed provider, address indexed summoner, uint256 taken);
    /// @notice Nothing was shown in time, but this contract is no slasher: the bond went home.
    event Voided(bytes32 indexed order);

    error OutOfRange(uint256 value, uint256 least, uint256 most);
    /// @notice The receipt's time to be penalised is over.
    error OutsideWindow(uint64 time);
    error NotSigned();
    /// @notice Nothing was announced under this seal.
    error NotAnnounced(bytes32 seal);
    error NotYetReportable(uint256 from);
    error AlreadyConvicted(bytes32 claimOrOrder);
    /// @notice The receipts do not contradict each other.
    error NoEquivocation();
    /// @notice The job id is the hash of its parts.
    error NothingWrong();
    /// @notice The job id is not the hash of its parts: that alone convicts.
    error WrongJob(bytes32 job);
    error AlreadySummoned(bytes32 order);
    error NotSummoned(bytes32 order);
    error AlreadyShown(bytes32 order);
    error NotYetOver(uint256 deadline);
    error TooLate(uint256 deadline);
    /// @notice The registry has no such model. Everybody can see that; it takes no summons.
    error UnknownModel(bytes32 model);
    /// @notice The order names a channel, and so needs its client's agreement.
    error NeedsAgreement(bytes32 channel);
    /// @notice The channel has another client, provider or model, or its client has not signed that voucher.
    error NotAgreed(bytes32 channel);
    /// @notice The program is not in that place under the model's `programs`.
    error NotListed(bytes32 model, bytes32 program);

    /// @notice Announces a report that nobody can read yet. Announcing again changes nothing.
    /// @param seal `sealOf` the report.
    function announce(bytes32 seal) external;

    /// @notice Convicts of two signed answers to one job that differ in outputs, numerics or (in a channel) client. Each
    /// further answer can be reported once more, together with one that was. The client's share is the first's.
    /// @param salt Of the seal over keccak256 of the first and of the second receipt (`abi.encode`), in this order.
    function equivocation(
        Receipt calldata first,
        bytes calldata firstSignature,
        Receipt calldata second,
        bytes calldata secondSignature,
        bytes32 salt
    ) external;

    /// @notice Convicts of a signed receipt whose job id is not SHA256(channel, sequence, model, program, inputs).
    /// @param salt Of the seal over keccak256 of the receipt (`abi.encode`) and zero.
    function inconsistent(Receipt calldata receipt, bytes calldata signature, bytes32 salt) external;

    /// @notice Asks a provider to show what stands behind a signed receipt; takes the bond (needs an allowance), and
    /// holds the stake. Refused where the chain itself shows everybody that there is nothing to it: a channel that the
    /// escrow does not know (with the escrow's error), or without a channel a model that the registry does not know.
    function summon(Receipt calldata receipt, bytes calldata signature) external returns (bytes32 order);

    /// @notice Shows that the channel's client signed a voucher for the receipt's job. Anyone, also without a summons:
    /// who serves a client that is a contract, and could change its mind, does so at once.
    /// @param amount Of the voucher; channel, sequence and job are the receipt's.
    function showAgreement(Receipt calldata receipt, uint128 amount, bytes calldata signature) external;

    /// @notice Shows, for a receipt without a channel, that the model's publisher lists the program. Anyone.
    /// @param position Of the program among the `count` that the registry's root is over.
    function showListing(Receipt calldata receipt, uint256 position, uint256 count, bytes32[] calldata path) external;

    /// @notice Ends a summons whose deadline has passed. Anyone.
    function lapse(address provider, address client, bytes32 job) external;

    /// @notice Whether the program is listed under a registered model, revoked or not.
    function isListed(bytes32 model, bytes32 program, uint256 position, uint256 count, bytes32[] calldata path)
        external
        view
        returns (bool);

    /// @notice When a seal was announced (unix seconds); zero if it was not.
    function announced(bytes32 seal) external view returns (uint64);

    /// @notice Whether a claim (`claimOf`) has been convicted by a report.
    function convicted(bytes32 claim) external view returns (bool);

    /// @notice How an order (`orderOf`) stands.
    function summonses(bytes32 order) external view returns (Summons memory);

    /// @notice What only `reporter` can open.
    /// @param first keccak256 of the (first) receipt as `abi.encode` gives it.
    /// @param second Of the second receipt; zero where there is one only.
    function sealOf(address reporter, bytes32 first, bytes32 second, bytes32 salt) external pure returns (bytes32);

    /// @notice What a receipt says about its job: all but tier, time, attestation, and the client outside of channels.
    function claimOf(Receipt calldata receipt) external pure returns (bytes32);

    function orderOf(address provider, address client, bytes32 job) external pure returns (bytes32);

    function token() external view returns (IAIVMToken);
    function staking() external view returns (IStaking);
    function escrow() external view returns (IEscrowManager);
    function registry() external view returns (IModelRegistry);

    /// @notice For how many seconds after its time a receipt can be reported, and its provider summoned.
    function WINDOW() external view returns (uint64);
    /// @notice Seconds from an announcement to its report.
    function SEALED_FOR() external view returns (uint64);
    /// @notice Seconds that a summoned provider has.
    function ANSWER_TIME() external view returns (uint64);
    /// @notice What a summoner puts up.
    function BOND() external view returns (uint256);
    /// @notice What a conviction takes from the stake.
    function PENALTY() external view returns (uint256);
}
