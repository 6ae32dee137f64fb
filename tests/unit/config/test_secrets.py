"""No message about a config shows a value of the environment or a password."""

from __future__ import annotations

from pathlib import Path

import pytest

from mpipeline.config.load import load_config
from mpipeline.errors import ConfigError

MODEL = "model: {path: model.onnx}\n"
SINKS = "sinks: [{kind: box, path: out}]\n"
SECRET = "hun ter/2@#%"
LEAKS = [
    "sources: [{uri: 'ftp://bob:${PW}@host/x'}]",
    "sources: [{uri: 'ftp://bob:${PW:-default}@host/${PW}'}]",
    "sources: [{uri: shop.mp4, transport: '${PW}'}]",
    "sources: [{uri: shop.mp4, connect_timeout: '${PW}'}]",
    "sources: [{uri: '${PW}.mp4'}]",
    "sources: [{uri: shop.mp4, name: '${PW}'}]",
    "sources: [{uri: shop.mp4, kind: '${PW}'}]",
    "sources: [{uri: shop.mp4, password: [1, 'hun ter/2@#%']}]",
    "sources: ['rtsp://bob:hun ter/2@#%@host/x']",
    "sources: [{'rtsp://bob:hun ter/2@#%@host/x': 1}]",
    "sources: [{uri: 'nowhere://bob:hun ter/2@#%@host/x', loop: 5}, 3]",
    "sources: '${PW}'",
]


@pytest.mark.parametrize("sources", LEAKS)
def test_no_secret_is_ever_shown(sources: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PW", SECRET)
    (folder / "cams.yaml").write_text(f"{sources}\n{MODEL}{SINKS}")
    with pytest.raises(ConfigError) as caught:
        load_config(Path("cams.yaml"))
    error: BaseException | None = caught.value
    while error is not None:
        for piece in ("hun ", "ter/", "default@"):
            assert piece not in str(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
