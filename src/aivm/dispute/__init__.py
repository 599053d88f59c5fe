"""Disputes: narrowing a false receipt down to one scalar step that a contract can judge."""
