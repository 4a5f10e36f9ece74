"""Errors that are the user's to mend: one sentence naming the file, the value and the fix, without a traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from toolkit.globals import UnknownDataset


class UserError(Exception):
    """Bad input or a missing file; the message names what is wrong and how to mend it."""


def run_main(main: Callable[[Sequence[str] | None], int | None], argv: Sequence[str] | None = None) -> None:
    """Run an entry point and exit with its status.

    Exit status: what `main` returns (None is 0); 2 for a `UserError`, an unknown dataset or a missing/unwritable path
    (message on stderr); 130 after Ctrl-C. Anything else is a bug in the toolkit and keeps its traceback.
    ``MER_TRACEBACK=1`` keeps the traceback of user errors too.
    """
    try:
        status = main(argv)
    except KeyboardInterrupt:
        print("\ninterrupted; what was finished is kept: run the same command again", file=sys.stderr)
        if Path(sys.argv[0]).name == "main-release.py":
            print("(a training search continues with --resume)", file=sys.stderr)
        status = 130
    except (UserError, UnknownDataset) as error:
        if os.environ.get("MER_TRACEBACK"):
            raise
        print(f"error: {error}", file=sys.stderr)
        status = 2
    except BrokenPipeError:  # the reader of our output has gone (`... | head`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    except ModuleNotFoundError as error:
        if os.environ.get("MER_TRACEBACK") or (error.name or "").split(".")[0] in ("toolkit", "feature_extraction"):
            raise
        print(
            f"error: {sys.executable} has no package {error.name}; run ./run-mer2024.sh setup once and use the Python "
            "of its environment (.venv/bin/python, or `source .venv/bin/activate`)",
            file=sys.stderr,
        )
        status = 2
    except OSError as error:
        if os.environ.get("MER_TRACEBACK"):
            raise
        print(f"error: {error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
        status = 2
    sys.exit(status or 0)
