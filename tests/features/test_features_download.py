"""Fetching a file: whole and right or not there, from servers that cut, lie, are slow or know no ranges."""

import hashlib
import http.server
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from fovea.errors import BackboneError, MissingInputError, OutputError
from fovea.features import download
from fovea.features.download import bring, fetch
from fovea.features.known import KnownFile, download_folder

CONTENT = np.random.default_rng(0).bytes(3_000_000)
REAL_SOCKET, REAL_LOOK_UP, REAL_CONNECT = socket.socket, socket.getaddrinfo, socket.create_connection


@pytest.fixture
def _no_internet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of no socket at all: none but to this machine."""

    def look_up(host: str, *args: object, **named: object) -> object:
        if host not in ("127.0.0.1", "localhost"):
            raise socket.gaierror(-2, "Name or service not known")
        return REAL_LOOK_UP(host, *args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


@dataclass
class Server:
    """A web server on this machine: what it serves, how it misbehaves, and what it was asked."""

    content: bytes = CONTENT
    status: int = 200
    has_ranges: bool = True
    said_length: int | None = None
    said_start: int | None = None
    cut_after: int | None = None
    stall: threading.Event | None = None
    redirect: str = ""
    address: str = ""
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Return a function that starts a server."""
    running: list[http.server.ThreadingHTTPServer] = []
    servers: list[Server] = []

    def start(**settings: object) -> Server:
        told = Server(**settings)  # type: ignore[arg-type]
        servers.append(told)

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *args: object) -> None:
                pass

            def do_GET(self) -> None:
                answer(self, told)

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        server.handle_error = lambda *args: None  # type: ignore[method-assign]  # who asked has hung up
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        running.append(server)
        told.address = f"http://127.0.0.1:{server.server_address[1]}/file.onnx"
        return told

    yield start
    for told in servers:
        if told.stall:
            told.stall.set()
    for server in running:
        server.shutdown()
        server.server_close()


def answer(handler: http.server.BaseHTTPRequestHandler, told: Server) -> None:
    wanted = handler.headers.get("Range", "")
    told.asked.append(wanted)
    if told.redirect:
        handler.send_response(302)
        handler.send_header("Location", told.redirect)
        handler.end_headers()
        return
    if told.status != 200:
        handler.send_error(told.status)
        return
    start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and told.has_ranges else 0
    body, total = told.content[start:], told.said_length or len(told.content)
    handler.send_response(206 if start else 200)
    if start:
        first = start if told.said_start is None else told.said_start
        handler.send_header("Content-Range", f"bytes {first}-{total - 1}/{total}")
    handler.send_header("Content-Length", str(total - start))
    handler.end_headers()
    handler.wfile.write(body[: told.cut_after])
    handler.wfile.flush()
    if told.stall:
        told.stall.wait(30)
    handler.close_connection = True


@pytest.fixture
def known() -> KnownFile:
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    return KnownFile("net", "net-1.onnx", sha256, len(CONTENT), licence="MIT", folder="net")


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_PAUSE_SECONDS", 0.0)


def lying() -> list[str]:
    folder = download_folder()
    return sorted(one.name for one in folder.iterdir()) if folder.is_dir() else []


def test_the_file_arrives_whole_and_under_its_own_name_only(
    serve: Callable[..., Server], known: KnownFile
) -> None:
    file = fetch(known, addresses=[serve().address])
    assert file == download_folder() / "net-1.onnx"
    assert file.read_bytes() == CONTENT
    assert lying() == ["net-1.onnx"]


def test_progress_is_told_in_megabytes(serve: Callable[..., Server], known: KnownFile) -> None:
    told: list[tuple[str, int, int]] = []
    fetch(known, addresses=[serve().address], progress=lambda *step: told.append(step))
    assert told[-1] == ("MB of net", 3, 3)
    assert [n for _, n, _ in told] == sorted(n for _, n, _ in told)


def test_what_was_cut_off_goes_on_where_it_stopped(serve: Callable[..., Server], known: KnownFile) -> None:
    server = serve(cut_after=1_250_000)
    assert fetch(known, addresses=[server.address]).read_bytes() == CONTENT
    assert server.asked == ["", "bytes=1250000-", "bytes=2500000-"]


def test_a_server_without_ranges_starts_again(serve: Callable[..., Server], known: KnownFile) -> None:
    part = download_folder() / "net-1.onnx.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT[:1000])
    server = serve(has_ranges=False)
    assert fetch(known, addresses=[server.address]).read_bytes() == CONTENT
    assert server.asked == ["bytes=1000-"]


def test_a_part_of_other_content_is_thrown_away_and_fetched_anew(
    serve: Callable[..., Server], known: KnownFile
) -> None:
    part = download_folder() / "net-1.onnx.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * 1000)
    server = serve()
    assert fetch(known, addresses=[server.address]).read_bytes() == CONTENT
    assert server.asked == ["bytes=1000-", ""]


def test_a_whole_part_from_earlier_needs_no_connection(known: KnownFile) -> None:
    part = download_folder() / "net-1.onnx.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT)
    assert fetch(known, addresses=["http://127.0.0.1:9/none"]).read_bytes() == CONTENT


BAD = {
    "not there": ({"status": 404}, "it answers 404 Not Found"),
    "out of order": ({"status": 503}, "it answers 503 Service Unavailable"),
    "other bytes": ({"content": CONTENT[::-1]}, "what it sent has another SHA-256"),
    "shorter": ({"content": CONTENT[:5]}, "its file has 5 bytes, and 3,000,000 are right"),
    "longer": ({"content": CONTENT + b"x"}, "its file has 3,000,001 bytes, and 3,000,000 are right"),
    "always cut at once": ({"cut_after": 0}, "it stopped after 0 of 3,000,000 bytes"),
}


@pytest.mark.parametrize("name", BAD)
def test_the_next_address_is_tried_where_one_is_no_use(
    serve: Callable[..., Server], known: KnownFile, name: str
) -> None:
    bad, good = serve(**BAD[name][0]), serve()
    assert fetch(known, addresses=[bad.address, good.address]).read_bytes() == CONTENT


@pytest.mark.parametrize("name", BAD)
def test_where_no_address_is_any_use_all_reasons_are_told_and_nothing_is_left(
    serve: Callable[..., Server], known: KnownFile, name: str
) -> None:
    settings, reason = BAD[name]
    with pytest.raises(BackboneError) as raised:
        fetch(known, addresses=[serve(**settings).address])
    assert str(raised.value) == (
        f"'net' could not be downloaded (127.0.0.1: {reason}). Try again later; or bring net-1.onnx (3,000,000 bytes) by hand "
        "and give: fovea backbones get net --from FILE."
    )
    assert lying() == []


def test_without_any_network_it_is_said(known: KnownFile) -> None:
    with pytest.raises(BackboneError) as raised:
        fetch(known)
    reason = "no connection (Name or service not known)"
    assert str(raised.value) == (
        f"'net' could not be downloaded (huggingface.co: {reason}; media.githubusercontent.com: {reason}; github.com: "
        f"{reason}). Try again later; or bring net-1.onnx (3,000,000 bytes) by hand and give: fovea backbones get net --from "
        "FILE."
    )


def test_a_server_that_falls_silent_is_left_and_what_came_is_kept(
    serve: Callable[..., Server], known: KnownFile
) -> None:
    silent = serve(content=CONTENT[:1_500_000], said_length=3_000_000, stall=threading.Event())
    with pytest.raises(BackboneError) as raised:
        fetch(known, addresses=[silent.address], timeout_seconds=0.2)
    assert str(raised.value) == (
        "'net' could not be downloaded (127.0.0.1: it sent nothing for 0.2 s). The 1.5 MB that came are kept, and the next "
        "try goes on from there. Try again later; or bring net-1.onnx (3,000,000 bytes) by hand and give: fovea backbones "
        "get net --from FILE."
    )
    assert lying() == ["net-1.onnx.part"]


def test_a_server_that_stalls_is_asked_again_from_there(
    serve: Callable[..., Server], known: KnownFile
) -> None:
    slow = serve(cut_after=1_500_000, stall=threading.Event())
    assert fetch(known, addresses=[slow.address], timeout_seconds=0.2).read_bytes() == CONTENT
    assert slow.asked == ["", "bytes=1500000-"]


def test_a_part_that_begins_elsewhere_than_asked_is_refused(
    serve: Callable[..., Server], known: KnownFile
) -> None:
    server = serve(cut_after=2_000_000, said_start=7)
    with pytest.raises(
        BackboneError, match=r"127\.0\.0\.1: it sent another part than that from byte 2,000,000\)"
    ):
        fetch(known, addresses=[server.address])


def test_a_length_that_the_server_does_not_keep_to_is_noticed(
    serve: Callable[..., Server], known: KnownFile
) -> None:
    server = serve(content=CONTENT[:2_000_000], said_length=3_000_000)
    with pytest.raises(BackboneError) as raised:
        fetch(known, addresses=[server.address])
    assert "The 2.0 MB that came are kept, and the next try goes on from there." in str(raised.value)
    assert lying() == ["net-1.onnx.part"]
    assert fetch(known, addresses=[serve().address]).read_bytes() == CONTENT


def test_a_redirect_is_followed(serve: Callable[..., Server], known: KnownFile) -> None:
    other = serve(redirect=serve().address)
    assert fetch(known, addresses=[other.address]).read_bytes() == CONTENT


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://127.0.0.1/x"])
def test_only_web_addresses_are_opened(known: KnownFile, address: str) -> None:
    with pytest.raises(BackboneError, match=r"no connection \(unknown url type"):
        fetch(known, addresses=[address])


def test_a_redirect_to_a_file_of_this_machine_is_not_followed(
    serve: Callable[..., Server], known: KnownFile
) -> None:
    with pytest.raises(BackboneError, match="it answers 302"):
        fetch(known, addresses=[serve(redirect="file:///etc/passwd").address])


def test_two_at_once_do_not_write_into_one_file(serve: Callable[..., Server], known: KnownFile) -> None:
    with download._own_part(download_folder_made() / "net-1.onnx"), pytest.raises(BackboneError) as raised:
        fetch(known, addresses=[serve().address])
    assert str(raised.value) == (
        "Another fovea is downloading net-1.onnx at this moment. Wait for it, and give the same command."
    )


def download_folder_made() -> Path:
    download_folder().mkdir(parents=True)
    return download_folder()


def test_a_folder_that_cannot_be_written_is_named(
    known: KnownFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("mine")
    monkeypatch.setenv("FOVEA_CACHE", str(tmp_path / "file"))
    with pytest.raises(OutputError) as raised:
        fetch(known, addresses=["http://127.0.0.1:9/none"])
    assert str(raised.value) == (
        f"net-1.onnx (3.0 MB) cannot be written into {str(tmp_path / 'file' / 'weights')!r}: Not a directory. "
        "Make room there, or name another folder with FOVEA_CACHE."
    )


def test_a_file_brought_by_hand_is_copied(known: KnownFile, tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(CONTENT)
    assert bring(known, tmp_path / "mine").read_bytes() == CONTENT
    assert lying() == ["net-1.onnx"]
    assert bring(known, download_folder() / "net-1.onnx").read_bytes() == CONTENT


def test_another_file_brought_by_hand_is_refused(known: KnownFile, tmp_path: Path) -> None:
    file = tmp_path / "mine"
    file.write_bytes(b"x")
    with pytest.raises(BackboneError) as raised:
        bring(known, file)
    assert str(raised.value) == (
        f"{str(file)!r} is not net-1.onnx: it has 1 bytes and a SHA-256 that begins with "
        f"{hashlib.sha256(b'x').hexdigest()[:12]}, and 3,000,000 and {known.sha256[:12]} are right. Copy it again; or use it "
        f"as it is: --weights {file}."
    )
    assert lying() == []


def test_a_missing_file_brought_by_hand_is_named(known: KnownFile, tmp_path: Path) -> None:
    with pytest.raises(MissingInputError) as raised:
        bring(known, tmp_path / "none")
    assert str(raised.value) == (
        f"{str(tmp_path / 'none')!r} cannot be read: No such file or directory. Check the path after --from."
    )
