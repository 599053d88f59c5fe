"""The command `aivm`: what stands where, and what exit statuses mean.

Exit status: 0 done; 1 a defect of ours; 2 bad input or usage; 3 verification mismatch; 4 refused by
a rule or not found; 5 something needed is unreachable or too slow; 130 interrupted.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import click

from aivm.cli.output import Output
from aivm.errors import AivmError, BadInput

# Commands live one file each and are imported when asked for: `aivm --help` stays quick.
_COMMANDS = {
    "run": "run",
    "generate": "generate",
    "verify": "verify",
    "transcript": "transcript",
    "app": "app",
    "pack": "pack",
    "validate": "validate",
    "diff": "packages",
    "card": "packages",
    "push": "push",
    "arweave": "arweave",
    "ipfs": "ipfs",
    "storage": "storage",
    "ls": "models",
    "show": "models",
    "pull": "models",
    "provider": "provider",
    "verifier": "verifier",
    "channel": "channel",
    "dispute": "dispute",
    "keys": "keys",
    "config": "settings",
    "demo": "demo",
    "devnet": "devnet",
    "doctor": "doctor",
}


class Commands(click.Group):
    """The table above as a click group."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002
        cmd_name: str,
    ) -> click.Command | None:
        module = _COMMANDS.get(cmd_name)
        if module is None:
            return None
        command: click.Command = getattr(
            importlib.import_module(f"aivm.cli.{module}"), cmd_name.replace("-", "_")
        )
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="aivm")
def cli() -> None:
    """Run, sell, buy and check AI inference without trusting anybody.

    \b
    aivm demo                                  the whole network on this machine, once
    aivm run model.onnx --input x.npz          run a model here, in the sandbox
    aivm generate llama --prompt "The licence"  go on from a text, token by token
    aivm verify receipt.json                   check what somebody claims to have computed
    aivm devnet                                a network to play with, from another terminal

    Exit status: 0 done, 2 bad input, 3 verification mismatch, 4 refused, 5 unreachable.
    """


def main() -> None:
    """Entry point of the console script."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line; returns its exit status and never raises."""
    output = Output(as_json="--json" in arguments, quiet="-q" in arguments)
    try:
        result: Any = cli.main(arguments, prog_name="aivm", standalone_mode=False)
    except click.exceptions.Abort:
        return 130
    except KeyboardInterrupt:
        return 130
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return 2
    except click.ClickException as error:
        return output.fail(_usage_error(error))
    except AivmError as error:
        return output.fail(error)
    except BrokenPipeError:  # `aivm ls | head`: the reader has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141  # 128 + SIGPIPE, as of a program that the signal ends
    except OSError as error:
        return output.fail(_file_error(error))
    except Exception as error:  # the last door: a defect must still be readable
        return output.fail_unexpected(error)
    return result if isinstance(result, int) else 0


def _usage_error(error: click.ClickException) -> BadInput:
    context = getattr(error, "ctx", None)
    hint = f"See `{context.command_path} --help`." if context is not None else ""
    return BadInput(error.format_message(), hint=hint)


def _file_error(error: OSError) -> BadInput:
    """A file or folder of the user's that cannot be read or written."""
    place = f"{error.filename}: " if error.filename is not None else ""
    return BadInput(f"{place}{error.strerror or error}")
