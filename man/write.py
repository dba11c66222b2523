"""Writes the manual page driftrec.1 from the commands' own help:  python man/write.py

The wheel installs the page to share/man/man1.  A test compares it with the commands.  docs/site/commands.py renders the
same help as a page of the site.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from driftrec import __version__
from driftrec.cli.app import app

PAGE = Path(__file__).with_name("driftrec.1")

EXAMPLES = {
    "driftrec restore photo.jpg": "Writes photo-restored.png.",
    "driftrec restore holiday/ -o restored/ --skip-existing": "Restores a folder, or goes on where a run was stopped.",
    "driftrec restore - --format webp < photo.jpg > photo.webp": "Reads standard input and writes standard output.",
    "driftrec inspect photo.jpg": "Says what the picture is and what restore would do with it.",
}

STATUS = {
    "0": "Everything was done.",
    "1": "An input could not be read or a result not be written; other pictures of the same call were restored.",
    "2": "The command line is wrong.",
    "130": "The program was interrupted.",
}


def main() -> None:
    """Writes the page."""
    PAGE.write_text(page(), encoding="utf-8")


def page() -> str:
    """The manual page, in the macros of man(7)."""
    program = typer.main.get_command(app)
    return "\n".join([*_page(program), ""])


def _page(program: Any) -> Iterator[str]:
    yield f'.TH DRIFTREC 1 "" "driftrec {__version__}" "User Commands"'
    yield ".SH NAME"
    yield r"driftrec \- restore over\-compressed JPEGs"
    yield ".SH SYNOPSIS"
    for path, command in commands(program):
        yield from (f".B {_text('driftrec ' + path)}", rf"\fI{_text(usage(command))}\fR", ".br")
    yield ".SH DESCRIPTION"
    yield from _paragraphs(program.help)
    yield ".SH OPTIONS"
    yield from _options(program)
    yield ".SH COMMANDS"
    for path, command in commands(program):
        yield f".SS driftrec {_text(path)}"
        yield from _paragraphs(command.help)
        yield from _options(command)
    for title, entries in (("EXAMPLES", EXAMPLES), ("EXIT STATUS", STATUS)):
        yield f".SH {title}"
        for name, text in entries.items():
            yield from (".TP", f".B {_text(name)}", _text(text))


def commands(program: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """All commands, with those of groups, and their names."""
    for name, command in program.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{path}{name} ")
        else:
            yield path + name, command


def usage(command: Any) -> str:
    """What follows the name of a command in a call."""
    arguments = (p for p in command.params if p.param_type_name == "argument")
    named = (f"{p.metavar}{'...' if p.nargs == -1 else ''}" if p.required else f"[{p.metavar}]" for p in arguments)
    return " ".join(["[OPTION]...", *named])


def _options(command: Any) -> Iterator[str]:
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            names = rf"\fI{_text(parameter.metavar)}\fR"
        else:
            flags = [rf"\fB{_text(flag)}\fR" for flag in (*parameter.opts, *parameter.secondary_opts)]
            names = ", ".join(flags) + (rf" \fI{_text(value(parameter))}\fR" if value(parameter) else "")
        yield from (".TP", names, _text(description(parameter)))


def value(option: Any) -> str:
    """What is given after an option; empty for a flag."""
    if option.is_flag:
        return ""
    assert option.metavar, f"{option.name} has no metavar"
    return option.metavar


def description(parameter: Any) -> str:
    """The help of an argument or option, with its default as a sentence."""
    return " ".join([parameter.help or "", _default(parameter)]).strip()


def _default(parameter: Any) -> str:
    """The default as a sentence, unless the help text says it."""
    if isinstance(parameter.show_default, str):
        return f" Default: {parameter.show_default}."
    stated = parameter.default is None or isinstance(parameter.default, bool) or callable(parameter.default)
    return "" if stated or "Default:" in parameter.help else f" Default: {parameter.default}."


def _paragraphs(text: str) -> list[str]:
    return [line for part in text.split("\n\n") for line in (".PP", _text(" ".join(part.split())))]


def _text(text: str) -> str:
    """Text with the characters that groff interprets escaped."""
    text = text.replace("\\", r"\e").replace("-", r"\-")
    text = "".join(character if character.isascii() else rf"\[u{ord(character):04X}]" for character in text)
    return rf"\&{text}" if text.startswith((".", "'")) else text


if __name__ == "__main__":
    main()
