"""A program for test_commands.py: run ``--help`` of many scripts in one process, print the flags that each one knows.

Reads a JSON list of command heads from stdin (``["main-noise.py", "preview"]``, ``["-m", "toolkit.check"]``) and prints
a JSON object: the head joined by blanks -> {flag: list of its choices, or null}; a text instead says what went wrong.
"""

import argparse
import contextlib
import inspect
import io
import json
import os
import runpy
import sys
from unittest import mock

import fire


def flags_of(parser):
    """The parser's flags, those of its sub-commands included."""
    found = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                found |= flags_of(below)
        for flag in action.option_strings:
            found[flag] = [str(choice) for choice in action.choices] if action.choices else None
    return found


def flags_of_function(function):
    """``--name`` of each parameter, and ``--noname`` of switches."""
    parameters = inspect.signature(function).parameters
    found = {f"--{name}": None for name in parameters}
    switches = [name for name, row in parameters.items() if isinstance(row.default, bool)]
    return found | {f"--no{name}": None for name in switches}


def asked(head):
    """What ``head --help`` shows."""
    known = {}
    words = head[2:] if head[0] == "-m" else head[1:]
    shown = io.StringIO()

    def print_help(self, file=None):
        known.update(flags_of(self))

    def fire_help(table, command=None, name=None):
        known.update(flags_of_function(table[command[0]]))

    sys.argv = [head[1] if head[0] == "-m" else head[0], *words, "--help"]
    with (
        mock.patch.object(argparse.ArgumentParser, "print_help", print_help),
        mock.patch.object(fire, "Fire", fire_help),
        contextlib.redirect_stdout(shown),
        contextlib.redirect_stderr(shown),
    ):
        try:
            if head[0] == "-m":
                runpy.run_module(head[1], run_name="__main__", alter_sys=True)
            else:
                sys.path.insert(0, os.path.dirname(os.path.abspath(head[0])))  # as for `python SCRIPT`
                runpy.run_path(head[0], run_name="__main__")
        except SystemExit as end:
            if end.code:
                return f"--help ends with status {end.code}: {shown.getvalue()}"
        except Exception as error:
            return f"{type(error).__name__}: {error}"
    functions = shown.getvalue().partition("functions (each has --help):")[2]
    return known | {line.split(":")[0].strip(): None for line in functions.splitlines() if line.strip()}


if __name__ == "__main__":
    print(json.dumps({" ".join(head): asked(head) for head in json.load(sys.stdin)}))
