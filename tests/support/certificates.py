"""A certificate for localhost that vouches for itself, made by openssl."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


class Certificates:
    """`certificate` and its `key` as PEM files in `folder`, which is made. They can be read by everyone."""

    def __init__(self, folder: Path) -> None:
        if shutil.which("openssl") is None:
            pytest.skip("openssl is not installed: apt-get install openssl")
        folder.mkdir()
        self.certificate, self.key = folder / "certificate.pem", folder / "key.pem"
        subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
        files = ["-keyout", str(self.key), "-out", str(self.certificate)]
        command = ["openssl", "req", "-x509", "-nodes", "-days", "2", *curve, *subject, *files]
        subprocess.run(command, check=True, capture_output=True)
        self.key.chmod(0o644)
