"""`mpipeline sources`: opens a source and tells what it is."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict

from mpipeline import log
from mpipeline.config.environment import log_settings
from mpipeline.config.load import source_from_arguments
from mpipeline.errors import EXIT_DONE, ConfigError
from mpipeline.hosted.probing import Probe, probe

_SECONDS = 2.0
_LIMIT_S = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb and its options."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    verb = verbs.add_parser("probe", help="open a source, read it for a moment, and tell what it is")
    verb.description = (
        "Opens a file, a stream or a camera as a run would, reads it for a moment, and tells its kind, codec, decoder, "
        "size, rate, length, and how long its first frame took. Credentials are not shown."
    )
    verb.epilog = (
        "Examples:  mpipeline sources probe lobby.mp4   |   mpipeline sources probe rtsp://viewer:secret@10.0.0.20/1 "
        "--set transport=udp   |   mpipeline sources probe 0 --set fps=15.   "
        "Exit codes: 0 it can be read, 65 it cannot (the reason is told), 78 wrong options."
    )
    verb.add_argument("uri", metavar="URI", help="a path, an address, the number of a camera, or a GStreamer pipeline")
    verb.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides", help="a key of the source"
    )
    verb.add_argument(
        "--seconds", type=float, default=_SECONDS, metavar="S", help="how long it is read (default: 2; 0: one frame)"
    )
    verb.add_argument(
        "--timeout", type=float, default=_LIMIT_S, metavar="S", help="give up after so many seconds (default: 60)"
    )
    verb.add_argument("--json", action="store_true", help="print JSON")


def command(arguments: argparse.Namespace) -> int:
    """Probes and prints. Raises SourceError and ConfigError."""
    if not (0 <= arguments.seconds <= 3600 and 0 < arguments.timeout <= 3600):
        raise ConfigError("--seconds and --timeout: expected up to 3600 seconds, --timeout more than 0")
    log.configure(level="warning", json=log_settings().json)
    spec = source_from_arguments(arguments.uri, arguments.overrides)
    found = probe(spec, arguments.seconds, arguments.timeout + arguments.seconds)
    if arguments.json:
        print(json.dumps({**asdict(found), "duration": found.duration}, indent=1))
    else:
        print("\n".join(_told(found)))
    return EXIT_DONE


def _told(found: Probe) -> Iterator[str]:
    yield f"{'source':<12} {found.shown}"
    yield f"{'kind':<12} {found.kind}, {'live' if found.live else 'a file'}"
    yield f"{'codec':<12} {found.codec or 'none'}, {found.pixel_format}"
    if found.decoder:
        yield f"{'decoder':<12} {found.decoder}"
    yield f"{'size':<12} {found.width}x{found.height}"
    declared = f"{found.rate:g} frames/s" if found.rate else "not declared"
    if found.measured_rate is not None:
        what = "came" if found.live else "can be decoded here, one after the other"
        declared += f"; {found.measured_rate:.1f} {what}"
    yield f"{'rate':<12} {declared}"
    if not found.live:
        length = "not declared" if found.duration is None else f"{found.duration:.2f} s, {found.frame_count} frames"
        yield f"{'length':<12} {length}"
    yield f"{'first frame':<12} after {found.first_frame:.2f} s, of which {found.opened:.2f} s to open"
    yield f"{'read':<12} {found.frames} frames, {found.decode_errors} decode errors"
