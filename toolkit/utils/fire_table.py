"""Scripts that offer functions by name (python-fire), with text arguments taken as they are written."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence


def run_fire(functions: Sequence[Callable[..., int]], argv: Sequence[str] | None, name: str, description: str) -> int:
    """Call the function that the command line names; its return value is the exit status.

    Args:
        functions: offered under their own names.
        argv: the arguments, None for those of this process.
        name: the program's name in messages.
        description: printed for ``--help`` and for no arguments; a function's own help is ``<function> --help``.
    """
    from fire import Fire

    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(f"{description.strip()}\n\nfunctions (each has --help):")
        print("\n".join(f"  {function.__name__}: {_summary(function)}" for function in functions))
        return 0
    table = {function.__name__: function for function in functions}
    # Fire prints what a function returns; an exit status is not to be printed.
    status = Fire(table, command=[_as_written(text) for text in arguments], name=name, serialize=lambda _: None)
    return status if isinstance(status, int) else 0


def _summary(function: Callable[..., int]) -> str:
    return (function.__doc__ or "").strip().split("\n")[0]


def _as_written(argument: str) -> str:
    """Quote what fire would turn into something else: ``a,b`` (a tuple), ``1e5``, ``{x}``; numbers and True stay."""
    if argument.startswith("--") and "=" in argument:
        flag, value = argument.split("=", 1)
        return f"{flag}={_as_written(value)}"
    from fire.parser import DefaultParseValue

    return argument if str(DefaultParseValue(argument)) == argument else repr(argument)
