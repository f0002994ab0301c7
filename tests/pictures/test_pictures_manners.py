"""Reading pictures leaves Pillow's settings and the warnings alone, loads nothing early, and stays off the network."""

import socket
import subprocess
import sys
import warnings
from io import BytesIO

import pytest
from PIL import Image, ImageFile

from fovea.pictures import decode


def test_importing_the_room_does_not_import_pillow() -> None:
    code = "import sys, fovea.pictures; sys.exit('PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_pillows_settings_stay_as_they_are() -> None:
    target = BytesIO()
    Image.new("RGB", (8, 8)).save(target, "PNG")
    before = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, warnings.filters[:])
    decode(target.getvalue())
    after = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, warnings.filters[:])
    assert before == after


def test_internet_socket_fails_a_test() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"^a test opened an internet socket$"):
        socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    with pytest.raises(pytest.fail.Exception, match=r"^a test looked up the internet host 'example.org'$"):
        socket.getaddrinfo("example.org", 80)


def test_local_sockets_work() -> None:
    left, right = socket.socketpair()
    with left, right:
        left.sendall(b"x")
        assert right.recv(1) == b"x"
