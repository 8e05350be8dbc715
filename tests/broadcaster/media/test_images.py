"""Pictures: recognised by content, turned upright, encoded anew without metadata; harmful ones are
refused or made harmless.
"""

import hashlib
import io
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from broadcaster.media import images
from broadcaster.media.images import VARIANTS, BadPicture, Picture
from broadcaster.runtime.refusal_words import indonesian
from support import uploads

KINDS = st.sampled_from(["JPEG", "PNG", "WEBP"])


def decoded(body: bytes) -> Image.Image:
    """Return an encoded picture, decoded."""
    image = Image.open(io.BytesIO(body))
    image.load()
    return image


def corners(image: Image.Image) -> list[str]:
    """Return the colour of each quarter, clockwise from the top left."""
    names = {(1, 0, 0): "red", (0, 1, 0): "green", (0, 0, 1): "blue", (1, 1, 1): "white"}
    width, height = image.size
    spots = [
        (width // 4, height // 4),
        (width * 3 // 4, height // 4),
        (width * 3 // 4, height * 3 // 4),
        (width // 4, height * 3 // 4),
    ]
    colours = []
    for spot in spots:
        value = image.convert("RGB").getpixel(spot)
        assert isinstance(value, tuple)
        colours.append(names[tuple(int(part > 128) for part in value)])  # type: ignore[index]
    return colours


def refusal(data: bytes) -> str:
    """Return the words with which an upload is refused."""
    with pytest.raises(BadPicture) as caught:
        images.read(data)
    return indonesian(caught.value)


# --- what is accepted -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_each_kind_becomes_a_jpeg_in_every_size(kind: str) -> None:
    picture = images.read(uploads.encoded(uploads.scene(2400, 1600), kind))
    assert set(picture.files) == set(VARIANTS)
    sizes = {name: decoded(body).size for name, body in picture.files.items()}
    assert sizes == {
        "web": (1600, 1067),
        "pesan": (1280, 853),
        "layar": (1620, 1080),
        "kecil": (480, 320),
    }
    assert (picture.width, picture.height) == sizes["web"]
    for body in picture.files.values():
        assert decoded(body).format == "JPEG"
        assert corners(decoded(body)) == ["red", "green", "blue", "white"]


def test_a_file_is_recognised_by_content_and_not_by_name() -> None:
    assert images.kind_of(uploads.encoded(uploads.scene(), "PNG")) == "PNG"
    assert "bukan gambar" in refusal(b"gambar.jpg")


def test_nothing_is_enlarged() -> None:
    assert {decoded(body).size for body in images.read(uploads.photo(300, 200)).files.values()} == {
        (300, 200)
    }


def test_the_same_upload_is_the_same_picture_and_its_id_names_its_bytes() -> None:
    first, second = images.read(uploads.photo()), images.read(uploads.photo())
    assert first == second
    assert (
        first.id
        == hashlib.sha256(b"".join(first.files[name] for name in VARIANTS)).hexdigest()[:32]
    )
    assert images.read(uploads.photo(901, 600)).id != first.id


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_mode_of_png_is_read(mode: str) -> None:
    picture = images.read(uploads.encoded(Image.new(mode, (200, 100)), "PNG"))
    assert decoded(picture.files["web"]).mode == "RGB"


def test_sixteen_bits_keep_their_brightness() -> None:
    value = decoded(
        images.read(uploads.encoded(Image.new("I;16", (200, 100), 32_768), "PNG")).files["web"]
    ).getpixel((5, 5))
    assert value == (128, 128, 128)


def test_colours_for_print_are_read() -> None:
    assert corners(
        decoded(images.read(uploads.encoded(uploads.scene(mode="CMYK"))).files["web"])
    ) == [
        "red",
        "green",
        "blue",
        "white",
    ]


def test_what_is_transparent_shows_paper() -> None:
    clear = Image.new("RGBA", (200, 100), (255, 0, 0, 0))
    assert decoded(images.read(uploads.encoded(clear, "PNG")).files["web"]).getpixel((50, 50)) == (
        255,
        255,
        255,
    )


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_turned_as_its_camera_was_held(orientation: int) -> None:
    upright = [
        ["red", "green", "blue", "white"],
        ["green", "red", "white", "blue"],
        ["blue", "white", "red", "green"],
        ["white", "blue", "green", "red"],
        ["red", "white", "blue", "green"],
        ["white", "red", "green", "blue"],
        ["blue", "green", "red", "white"],
        ["green", "blue", "white", "red"],
    ]
    picture = images.read(uploads.turned(orientation))
    assert corners(decoded(picture.files["layar"])) == upright[orientation - 1]
    assert (picture.width, picture.height) == ((600, 900) if orientation > 4 else (900, 600))


def test_no_metadata_is_left() -> None:
    data = uploads.tagged()
    assert b"rahasia" in data
    for body in images.read(data).files.values():
        image = decoded(body)
        assert not image.getexif()
        assert set(image.info) <= {
            "jfif",
            "jfif_version",
            "jfif_unit",
            "jfif_density",
            "progressive",
            "progression",
        }
        for word in (b"rahasia", b"Kamera", b"Siti", b"Exif", b"xmp", b"2026"):
            assert word not in body


def test_a_colour_profile_is_applied_and_left_out() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = images.read(uploads.photo(icc_profile=profile))
    assert "icc_profile" not in decoded(picture.files["web"]).info
    assert corners(decoded(picture.files["web"])) == ["red", "green", "blue", "white"]
    assert images.read(uploads.photo(icc_profile=b"tidak ada profil")).width == 900


def test_what_messengers_get_stays_far_below_their_limits() -> None:
    picture = images.read(uploads.noise(3000, 3000))
    assert len(picture.files["pesan"]) < 5_000_000  # WhatsApp; Telegram takes 5 MB by address
    assert max(map(len, picture.files.values())) < 4_000_000
    assert picture.width + picture.height <= 10_000


# --- what is harmful --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", uploads.polyglots())
def test_a_picture_that_is_also_something_else_is_only_a_picture_afterwards(name: str) -> None:
    data = uploads.polyglots()[name]
    assert b"script" in data
    for body in images.read(data).files.values():
        assert b"script" not in body
        assert b"PK\x03\x04" not in body
        assert b"html" not in body
        assert body.endswith(b"\xff\xd9")


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (uploads.SVG, "bukan gambar JPEG"),
        (b"\xef\xbb\xbf" + uploads.SVG, "bukan gambar JPEG"),
        (uploads.PAGE, "bukan gambar JPEG"),
        (uploads.archive(), "bukan gambar JPEG"),
        (b"%PDF-1.7\n", "bukan gambar JPEG"),
        (uploads.encoded(uploads.scene(), "BMP"), "bukan gambar JPEG"),
        (uploads.encoded(uploads.scene(), "TIFF"), "bukan gambar JPEG"),
        (uploads.moving("GIF"), "GIF tidak dapat dipakai"),
        (b"\x00\x00\x00\x18ftypheic" + bytes(100), "HEIC"),
        (uploads.moving("WEBP"), "bergerak"),
        (uploads.moving("PNG"), "bergerak"),
        (uploads.photo(40, 900), "terlalu kecil"),
        (uploads.photo(64, 2000), "panjang dan sempit"),
        (uploads.endless(), "tidak wajar"),
        (b"\xff\xd8\xff" + uploads.PAGE, "rusak"),
        (b"\x89PNG\r\n\x1a\n", "rusak"),
        (b"RIFF\x00\x00\x00\x00WEBP", "rusak"),
        (uploads.lying_head(2_000, 2_000), "rusak"),
        (b"", "bukan gambar JPEG"),
    ],
)  # fmt: skip
def test_what_is_no_usable_picture_is_refused_with_what_to_do(data: bytes, word: str) -> None:
    message = refusal(data)
    assert word in message
    assert message.endswith("lalu pilih lagi.") or "Pilih" in message or "Perkecil" in message


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("part", [0.3, 0.7, 0.97])
def test_a_cut_file_is_refused(kind: str, part: float) -> None:
    data = uploads.encoded(Image.effect_noise((900, 600), 60).convert("RGB"), kind)
    assert "rusak atau terpotong" in refusal(data[: int(len(data) * part)])


@pytest.mark.parametrize("size", [(8_000, 6_300), (12_000, 9_000), (30_000, 30_000)])
def test_a_bomb_is_refused_before_it_unpacks(size: tuple[int, int]) -> None:
    data = uploads.bomb(*size)
    assert len(data) < 150_000
    start = time.process_time()
    assert "juta piksel" in refusal(data)
    assert time.process_time() - start < 0.1


def test_a_head_that_names_a_huge_picture_is_believed_and_refused() -> None:
    assert "juta piksel" in refusal(uploads.lying_head(2**31 - 1, 2**31 - 1))


def test_the_largest_accepted_picture_is_decoded() -> None:
    assert images.read(uploads.encoded(Image.new("L", (8_000, 5_000)), "PNG")).width == 1600


def test_what_is_too_heavy_is_refused_unread() -> None:
    assert "lebih besar dari 10 MB" in refusal(uploads.photo() + bytes(images.UPLOAD_BYTES))


@settings(deadline=None, max_examples=150)
@given(
    position=st.floats(0, 1, exclude_max=True),
    junk=st.binary(min_size=1, max_size=40),
    kind=st.sampled_from(["JPEG", "PNG", "WEBP"]),
)
def test_a_damaged_file_is_a_picture_or_a_refusal_and_never_anything_else(
    position: float, junk: bytes, kind: str
) -> None:
    data = bytearray(uploads.encoded(uploads.scene(120, 90), kind))
    offset = int(position * len(data))
    data[offset : offset + len(junk)] = junk
    try:
        picture = images.read(bytes(data))
    except BadPicture:
        return
    assert isinstance(picture, Picture)
    assert all(decoded(body).format == "JPEG" for body in picture.files.values())
