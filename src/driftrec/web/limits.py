"""What a server accepts."""

from dataclasses import dataclass

SCANS = 12
"""A JPEG of the largest size may have this many scans, a smaller one more; encoders write about ten."""


@dataclass(frozen=True)
class Limits:
    """What a server accepts.

    Attributes:
        bytes: of an upload.
        pixels: of a picture.
        seconds: of work on a job.
        waiting: jobs that may wait, of all clients together; uploads in progress count.
        share: jobs of one client that may wait.
        inspections: requests for an inspection that may be open at the same time, of all clients together; they are
            worked on one at a time, and each client may have half of them.
        silence: seconds that a connection may stay silent: before its first request, between two parts of an upload,
            and while it takes no part of an answer.
        pace: bytes per second that an upload must reach on average.
        connections: open at the same time.
    """

    bytes: int = 64_000_000
    pixels: int = 50_000_000
    seconds: float = 600
    waiting: int = 64
    share: int = 16
    inspections: int = 8
    silence: float = 30
    pace: float = 20_000
    connections: int = 256

    @property
    def decoding(self) -> int:
        """The maximum of pixels × scans of a JPEG, which bounds the time that decoding it takes."""
        return self.pixels * SCANS

    @property
    def upload(self) -> float:
        """Seconds within which an upload must be complete."""
        return self.silence + self.bytes / self.pace
