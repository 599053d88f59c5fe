"""Packages: what a publisher ships, signed and checked to the last byte."""
