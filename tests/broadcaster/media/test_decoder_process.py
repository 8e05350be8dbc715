"""Pictures decoded in a child process: the result is the same as in-process, within bounds, and the
calling process stays small.
"""

import subprocess
import sys

import pytest
from PIL import Image

from broadcaster.media import decoder_process, images
from broadcaster.media.decoder_process import MIB, Bounds
from broadcaster.media.images import BadPicture
from broadcaster.runtime.refusal_words import indonesian
from support import uploads
from support.wording import refuses

LARGEST = uploads.encoded(Image.new("RGBA", (8_000, 5_000), (3, 4, 5, 100)), "WEBP", lossless=True)
"""Two kilobytes that unpack to 40 megapixels."""
HEAVY = uploads.encoded(Image.new("RGBA", (8_000, 5_000), (3, 4, 5, 100)), "PNG")
PEAK = """
import resource, sys
from broadcaster.media import decoder_process
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
picture = decoder_process.read(sys.stdin.buffer.read())
print(picture.width, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize(
    "data",
    [uploads.photo(), uploads.encoded(uploads.scene(), "PNG"), *uploads.polyglots().values()],
)
def test_a_child_reads_what_media_reads(data: bytes) -> None:
    assert decoder_process.read(data) == images.read(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        uploads.SVG,
        uploads.endless(),
        uploads.moving("PNG"),
        uploads.lying_head(2_000, 2_000),
        uploads.bomb(),
    ],
)
def test_a_child_refuses_in_the_same_words(data: bytes) -> None:
    with pytest.raises(BadPicture) as in_child:
        decoder_process.read(data)
    with pytest.raises(BadPicture) as in_process:
        images.read(data)
    assert indonesian(in_child.value) == indonesian(in_process.value)


def test_the_largest_picture_takes_no_memory_of_the_process_that_asks() -> None:
    process = subprocess.run(
        [sys.executable, "-c", PEAK], input=LARGEST, capture_output=True, check=True
    )
    width, megabytes = process.stdout.split()
    assert int(width) == 1600
    assert int(megabytes) < 20


@pytest.mark.parametrize(
    "bounds", [Bounds(memory_bytes=300 * MIB), Bounds(wall_seconds=0.01)], ids=["memory", "time"]
)
def test_a_picture_beyond_its_bounds_is_refused_in_words(bounds: Bounds) -> None:
    with pytest.raises(BadPicture, match="picture_too_costly"):
        decoder_process.read(HEAVY, bounds)


def test_what_is_too_heavy_starts_no_child() -> None:
    with refuses(BadPicture, match="lebih besar dari 10 MB"):
        decoder_process.read(bytes(images.UPLOAD_BYTES + 1), Bounds(wall_seconds=0))
