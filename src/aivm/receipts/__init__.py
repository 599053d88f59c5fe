"""Receipts and vouchers: what providers claim and clients promise, signed under EIP-712."""

from aivm.receipts.addresses import ZERO_ADDRESS, checked_address
from aivm.receipts.document import (
    SignedReceipt,
    SignedVoucher,
    parse_receipt,
    parse_voucher,
    sign_receipt,
    sign_voucher,
)
from aivm.receipts.eip712 import Domain
from aivm.receipts.jobs import NO_CHANNEL, job_id
from aivm.receipts.pipeline import ModuleInterface, Pipeline, Stage, StageRole
from aivm.receipts.receipt import Receipt, Tier, local_receipt
from aivm.receipts.signing import Signer, address_of, recover_address, sign_digest
from aivm.receipts.transcript import Transcript, first_difference, parse_transcript
from aivm.receipts.verify import ARBITRATED, Check, Expectation, Verdict, verify_receipt
from aivm.receipts.voucher import Voucher

__all__ = [
    "ARBITRATED",
    "NO_CHANNEL",
    "ZERO_ADDRESS",
    "Check",
    "Domain",
    "Expectation",
    "ModuleInterface",
    "Pipeline",
    "Receipt",
    "SignedReceipt",
    "SignedVoucher",
    "Signer",
    "Stage",
    "StageRole",
    "Tier",
    "Transcript",
    "Verdict",
    "Voucher",
    "address_of",
    "checked_address",
    "first_difference",
    "job_id",
    "local_receipt",
    "parse_receipt",
    "parse_transcript",
    "parse_voucher",
    "recover_address",
    "sign_digest",
    "sign_receipt",
    "sign_voucher",
    "verify_receipt",
]
