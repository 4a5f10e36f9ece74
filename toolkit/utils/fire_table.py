"""Scripts that offer functions by name, called as python-fire does it, but checked before anything runs.

    SCRIPT FUNCTION A B --flag VALUE --flag=VALUE --switch --noswitch

python-fire would call the function first and then complain about what is left of the command line; here an unknown
flag, a missing value or one argument too many is an error before any work. Its help pages are used as they are.
"""

from __future__ import annotations

import difflib
import inspect
import re
import sys
from collections.abc import Callable, Sequence
from inspect import Parameter
from typing import Any, NoReturn

from toolkit.utils.errors import UserError


class WrongNumber(UserError):
    """A value that is no number where the function takes one."""


_SWITCH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def run_fire(functions: Sequence[Callable[..., int]], argv: Sequence[str] | None, name: str, description: str) -> int:
    """Call the function that the command line names; its return value is the exit status.

    Args:
        functions: offered under their own names.
        argv: the arguments, None for those of this process.
        name: the program's name in messages.
        description: printed for ``--help`` and for no arguments; a function's own help is ``<function> --help``.

    Raises:
        SystemExit: status 2 after a message, as command lines do it, for an unknown function or flag, a missing value,
            an argument too many, a switch with an odd value; status 0 after a help page.
        WrongNumber: like the functions' own errors of values.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(f"{description.strip()}\n\nfunctions (each has --help):")
        print("\n".join(f"  {function.__name__}: {_summary(function)}" for function in functions))
        return 0
    table = {function.__name__: function for function in functions}
    chosen = arguments[0].replace("-", "_")
    if chosen not in table:
        _refuse(f"{name}: no function {arguments[0]!r}; choose {', '.join(table)}, or --help")
    if {"-h", "--help"} & set(arguments[1:]):
        from fire import Fire

        Fire(table, command=[chosen, "--help"], name=name)  # prints, and ends the program
        return 0
    try:
        values = bind(table[chosen], arguments[1:], f"{name} {chosen}")
    except WrongNumber:
        raise
    except UserError as error:
        _refuse(str(error))
    status = table[chosen](**values)
    return status if isinstance(status, int) else 0


def _refuse(message: str) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    raise SystemExit(2)


def bind(function: Callable[..., Any], arguments: Sequence[str], name: str) -> dict[str, Any]:
    """The values of the parameters that a command line names. Of a flag that is given twice the last counts.

    Text stays as it is written (a folder may be named 2024, True or 1e5); parameters that are annotated as numbers get
    a number, and switches (bool) a truth value.

    Raises:
        UserError: a command line that `run_fire` refuses.
    """
    parameters = inspect.signature(function).parameters
    values: dict[str, Any] = {}
    positional: list[str] = []
    waiting = list(arguments)
    while waiting:
        argument = waiting.pop(0)
        if not _is_flag(argument):
            positional.append(argument)
            continue
        flag, equals, value = argument.partition("=")
        key, negated = _parameter(flag, parameters, name)
        switch = _is_switch(parameters[key])
        if negated and equals:
            raise UserError(f"{name}: {flag} takes no value, {value!r} was given")
        if switch and not equals:
            follows = waiting and not _is_flag(waiting[0]) and not negated
            value = waiting.pop(0) if follows else ("false" if negated else "true")
        elif not equals:
            if not waiting or _is_flag(waiting[0]):
                raise UserError(f"{name}: {flag} needs a value, such as {flag} VALUE (or {flag}=-VALUE)")
            value = waiting.pop(0)
        values[key] = _value(value, parameters[key], flag, name)
    return _with_positional(values, positional, parameters, name)


def _with_positional(values: dict[str, Any], positional: list[str], parameters: Any, name: str) -> dict[str, Any]:
    """Arguments without a flag fill the parameters that no flag names, from the first on."""
    free = [key for key in parameters if key not in values]
    if len(positional) > len(free):
        surplus = " ".join(map(repr, positional[len(free) :]))
        raise UserError(f"{name}: too many arguments, {surplus} has no place; flags: {_listed(parameters)}")
    for key, text in zip(free, positional, strict=False):
        values[key] = _value(text, parameters[key], f"--{key}", name)
    missing = [key for key, row in parameters.items() if row.default is Parameter.empty and key not in values]
    if missing:
        raise UserError(f"{name}: {', '.join(f'--{key}' for key in missing)} must be given")
    return values


def _is_flag(argument: str) -> bool:
    """``--x`` and ``-x``, but not the number -1 or a lone dash."""
    return re.match(r"--?[A-Za-z_]", argument) is not None or argument.startswith("--")


def _is_switch(parameter: Parameter) -> bool:
    return isinstance(parameter.default, bool) or str(parameter.annotation) in ("bool", "<class 'bool'>")


def _parameter(flag: str, parameters: Any, name: str) -> tuple[str, bool]:
    """(parameter, whether the flag switches it off) of ``--flag``, ``--noflag``, or ``-f`` if one has that letter."""
    key = flag.lstrip("-").replace("-", "_")
    if key in parameters:
        return key, False
    denied = key.removeprefix("no").removeprefix("_")
    if denied != key and denied in parameters and _is_switch(parameters[denied]):
        return denied, True
    short = [known for known in parameters if known.startswith(key)] if len(key) == 1 else []
    if len(short) == 1:
        return short[0], False
    close = difflib.get_close_matches(key, parameters, n=1)
    hint = f"; did you mean --{close[0]}?" if close else ""
    raise UserError(f"{name}: unknown flag {flag}{hint}; flags: {_listed(parameters)}")


def _listed(parameters: Any) -> str:
    return ", ".join(f"--{key}" for key in parameters)


def _value(text: str, parameter: Parameter, flag: str, name: str) -> Any:
    kind = (
        parameter.annotation
        if isinstance(parameter.annotation, str)
        else inspect.formatannotation(parameter.annotation)
    )
    if _is_switch(parameter):
        if text.lower() not in _SWITCH:
            raise UserError(
                f"{name}: {flag} is a switch and {text!r} no value of it; write {flag}, --no{parameter.name}, or "
                f"{flag}=true, false, yes, no, 1, 0; arguments without a flag stand before it"
            )
        return _SWITCH[text.lower()]
    if text == "None" and "None" in kind:
        return None
    numbers = [number for number in (int, float) if re.search(rf"\b{number.__name__}\b", kind)]
    for number in numbers:
        try:
            return number(text)
        except ValueError:
            continue
    if numbers and not re.search(r"\b(str|Any|Sequence|list|tuple)\b", kind):
        expected = "number" if float in numbers else "whole number"
        example = "" if parameter.default in (Parameter.empty, None) else f", such as {parameter.default}"
        raise WrongNumber(f"{name}: {flag} {text!r} is no {expected}{example}")
    return text


def _summary(function: Callable[..., int]) -> str:
    return (function.__doc__ or "").strip().split("\n")[0]
