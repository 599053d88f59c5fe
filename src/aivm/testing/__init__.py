"""Makes what tests and fuzzers run: random valid programs with their constants and inputs."""

from aivm.testing.programs import RandomProgram, random_program

__all__ = ["RandomProgram", "random_program"]
