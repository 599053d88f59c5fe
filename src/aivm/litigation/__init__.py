"""Litigation: disputes about receipts, played to their end without anybody at the keyboard."""
