"""The command `driftrec serve`."""

import errno
import socket
from typing import TYPE_CHECKING, Annotated

import typer

from driftrec.cli.console import say, sentences
from driftrec.cli.options import takes_options

if TYPE_CHECKING:
    from driftrec.restoration.options import Options


@takes_options("model", "device", "threads", "tile")
def serve(
    options: "Options",
    host: Annotated[
        str,
        typer.Option(
            metavar="HOST", help="Address to listen on.  To let other machines connect, give one they can reach."
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, help="Port to listen on; 0 picks a free one.")
    ] = 8000,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
    max_megapixels: Annotated[float, typer.Option(metavar="N", min=0.001, help="Refuse larger pictures.")] = 50,
    max_megabytes: Annotated[float, typer.Option(metavar="N", min=0.001, help="Refuse larger files.")] = 64,
    time_limit: Annotated[float, typer.Option(metavar="SECONDS", min=1, help="Time limit for one picture.")] = 600,
    queue: Annotated[int, typer.Option(metavar="N", min=1, help="Most pictures that may wait.")] = 64,
    allow_host: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Also answer to this host name; repeatable.")
    ] = None,
    proxy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS",
            help="Address of a web server in front of this one, whose X-Forwarded-For is believed; repeatable.",
        ),
    ] = None,
) -> None:
    """Serve a web page that restores pictures.  Drop them on it; the page shows every step."""
    import webbrowser

    from driftrec.restoration.restorer import Restorer

    def ready(address: str) -> None:
        say(f"driftrec listens on {address}  (press Ctrl-C to stop it)")
        if browser:
            webbrowser.open(address)

    with sentences("web"):
        from driftrec.web.limits import Limits
        from driftrec.web.server import application, run

        limits = Limits(round(max_megabytes * 1e6), round(max_megapixels * 1e6), time_limit, waiting=queue)
        app = application(Restorer(options=options), limits, tuple(allow_host or ()))
        try:
            run(app, host, port, ready, tuple(proxy or ()))
        except OSError as error:
            raise ValueError(_why_not_open(error, host, port)) from error


def _why_not_open(error: OSError, host: str, port: int) -> str:
    """One sentence for an address that the server cannot listen on."""
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is used by another program: choose another with --port, or let --port 0 find a free one"
    if error.errno == errno.EACCES:
        return f"port {port} needs special rights: choose one from 1024 on with --port"
    if isinstance(error.__context__, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is no address of this machine: choose another with --host"
    return str(error)
