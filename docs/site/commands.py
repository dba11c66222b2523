"""The reference of the commands, as Markdown, from their own help."""

import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from driftrec.cli.app import app

MANUAL = runpy.run_path(str(Path(__file__).parents[2] / "man/write.py"))
"""The names of the script that writes the manual page from the same help."""


def page() -> str:
    """The page of all commands."""
    return "\n".join(_page(typer.main.get_command(app)))


def _page(program: Any) -> Iterator[str]:
    yield from ("# All commands and options", "", program.help, "")
    yield from _table(program, "option")
    for name, command in MANUAL["commands"](program):
        yield from (f"## driftrec {name}", "", command.help, "")
        yield from ("```text", f"driftrec {name} {MANUAL['usage'](command)}", "```", "")
        yield from _table(command, "argument")
        yield from _table(command, "option")
    yield from ("## Exit status", "", "| status | meaning |", "| --- | --- |")
    for status, meaning in MANUAL["STATUS"].items():
        yield f"| {status} | {meaning} |"


def _table(command: Any, kind: str) -> Iterator[str]:
    parameters = [parameter for parameter in command.params if parameter.param_type_name == kind]
    if not parameters:
        return
    yield from (f"| {kind} | |", "| --- | --- |")
    for parameter in parameters:
        yield f"| {_names(parameter)} | {_cell(MANUAL['description'](parameter))} |"
    yield ""


def _names(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return _alternatives(parameter.metavar)
    flags = ", ".join(f"`{flag}`" for flag in (*parameter.opts, *parameter.secondary_opts))
    return f"{flags} {_alternatives(MANUAL['value'](parameter))}".strip()


def _alternatives(value: str) -> str:
    """What may be given, each alternative as an element, so that narrow pages can break the line between them."""
    return " or ".join(f"`{one}`" for one in value.split("|") if one)


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("<", "&lt;").replace("*", r"\*")
