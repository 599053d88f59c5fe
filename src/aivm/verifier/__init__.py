"""The verifier: sees receipts, re-executes a share of them, convicts those that are false."""
