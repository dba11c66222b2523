"""What a request says: whom it is from, what the picture is called, and how to restore it."""

import ipaddress
from pathlib import PurePath

from starlette.exceptions import HTTPException
from starlette.requests import Request

from driftrec.restoration.options import Options

COOKIE = "driftrec"

FOR_A_PICTURE = (
    *("mode", "steps", "seed", "samples", "sampler", "process", "start"),
    *("consistent", "history", "texture", "strength", "force", "bits", "strict", "strip"),
)
"""Options that a request may set; the server sets the others."""

NAME = 150
"""Longest name of an upload, in characters."""


def address_of(request: Request) -> str:
    """The client's address.  Of IPv6 addresses it is the network, since its owner may choose the rest."""
    host = request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else host


def browser_of(request: Request) -> str:
    """The value by which the browsers behind one address are told apart; empty if the client sends none."""
    return request.cookies.get(COOKIE, "")


def name_of(request: Request) -> str:
    """What messages and downloads call the upload."""
    name = PurePath(request.query_params.get("name", "")).name
    path = PurePath("".join(character for character in name if character.isprintable()))
    return path.stem[:NAME] + path.suffix[:10] or "upload"


def options_of(request: Request, defaults: Options, besides: tuple[str, ...]) -> Options:
    """The options in the query, which may hold the values `besides`, too.  Raises HTTPException 400 if `Options`
    rejects them."""
    query = {name: value for name, value in request.query_params.items() if name not in besides}
    try:
        return defaults.read(query, FOR_A_PICTURE)
    except ValueError as error:
        raise HTTPException(400, str(error)) from error


def number_of(request: Request, name: str) -> int:
    """A positive whole number in the query.  Raises HTTPException 400."""
    text = request.query_params.get(name, "")
    if not (text.isascii() and text.isdecimal() and len(text) < 16 and int(text)):
        raise HTTPException(400, f"{name} must be a positive whole number, not {text[:40]}")
    return int(text)
