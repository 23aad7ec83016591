"""The command: print names and keys of the job's credentials, never a value."""

from __future__ import annotations

import argparse
import sys
from typing import Optional, Sequence, TextIO

from . import CredentialsError, ReadError, SettingsError, VaultCredentials


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Return the exit status: 0 everything was read, 1 refused or failed, 2 wrong settings."""
    parser = argparse.ArgumentParser(
        prog="vault_credentials", description="Print names and keys of the job's credentials."
    )
    parser.add_argument("--check", action="store_true", help="also print each step as it succeeds")
    prints_steps = parser.parse_args(arguments).check

    def report(step: str) -> None:
        if prints_steps:
            _print(f"ok  {step}", sys.stdout)

    try:
        return _print_all(VaultCredentials(background=False, report=report))
    except CredentialsError as error:
        _print_error(error)
        return 2 if isinstance(error, SettingsError) else 1


def _print_all(vault: VaultCredentials) -> int:
    """Print what can be read, whatever is refused beside it. Returns the exit status."""
    lines = []
    status = 0
    with vault:
        for name in sorted(vault):
            try:
                keys = ", ".join(sorted(vault.read(name)[name]))
            except ReadError as error:
                _print_error(error)
                status = 1
            else:
                lines.append(f"{name}: {keys}")
    for line in lines:
        _print(line, sys.stdout)
    return status


def _print_error(error: CredentialsError) -> None:
    _print(f"vault_credentials: {error}", sys.stderr)


def _print(text: str, stream: TextIO) -> None:
    """Print one line. What a server says must not write lines of its own or end the command."""
    line = "".join(_shown(character) for character in text)
    encoding = getattr(stream, "encoding", None) or "utf-8"
    print(line.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)


def _shown(character: str) -> str:
    return character if character.isprintable() else ascii(character)[1:-1]


if __name__ == "__main__":
    sys.exit(main())
