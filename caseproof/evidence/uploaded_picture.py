"""A picture that a person uploads: bounded, decoded as a whole and made anew, so that only its pixels are kept."""

from __future__ import annotations

import io

from PIL import Image

from caseproof.domain.errors import BadInput

MOST_BYTES = 10_000_000
"""How many bytes an uploaded picture may have, as it comes and as it is kept."""
_MOST_PIXELS = 16_000_000
_SMALLEST, _LONGEST = 200, 12_000
_KINDS = ("PNG", "JPEG")
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip
"""What sets a picture upright that says how it lies (EXIF, orientation)."""
_OTHERWISE = "Take a screenshot, and save it as PNG or JPEG."


def as_kept(content: bytes) -> bytes:
    """The picture as a new PNG: no text, place or program that was in the file is in it. Raises BadInput.

    Only PNG and JPEG are read at all, and no more pixels than a screen of the largest kind has: HTML, SVG and every
    other kind of file is refused, whatever it is called.
    """
    if not content:
        raise BadInput("No picture was chosen.", "Choose a PNG or JPEG file.")
    if len(content) > MOST_BYTES:
        raise BadInput("The picture is larger than 10 MB.", "Cut out what shows the run, and upload that.")
    image = _decoded(content)
    if image.getcolors(1) is not None:
        raise BadInput("The picture has one colour and shows nothing.", _OTHERWISE)
    made = io.BytesIO()
    image.save(made, "PNG")
    if made.tell() > MOST_BYTES:
        raise BadInput("The picture is larger than 10 MB as PNG.", "Make it smaller, or cut out what shows the run.")
    return made.getvalue()


def _decoded(content: bytes) -> Image.Image:
    # Strangers' files: whatever a decoder stumbles over, and however it says so, it is no picture to us.
    try:
        with Image.open(io.BytesIO(content), formats=_KINDS) as image:
            _refuse_size(*image.size)
            image.load()
            return _on_white(_upright(image))
    except BadInput:
        raise
    except Exception as error:
        raise BadInput("This file is no PNG or JPEG picture, or it is damaged.", _OTHERWISE) from error


def _refuse_size(width: int, height: int) -> None:
    """Before a pixel is decoded: a small file may be of very many."""
    if width * height > _MOST_PIXELS or max(width, height) > _LONGEST:
        raise BadInput(
            f"The picture has {width} by {height} pixels, more than anybody can look at.",
            "Cut out what shows the run, and upload that.",
        )
    if min(width, height) < _SMALLEST:
        raise BadInput(f"The picture has {width} by {height} pixels: nothing can be read on it.", _OTHERWISE)


def _upright(image: Image.Image) -> Image.Image:
    """As it was taken. What is said beside the pixels is read for that alone: where it is damaged, it says nothing."""
    try:
        turn = _UPRIGHT.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:
        turn = None
    return image if turn is None else image.transpose(turn)


def _on_white(image: Image.Image) -> Image.Image:
    """As browsers show it: where nothing is drawn it is white, and what is drawn but not shown is not there."""
    if image.mode.startswith("I"):  # grey of 16 bits: Pillow would not scale it, and all but black would be white
        return image.convert("I").point(lambda grey: grey * (1 / 256)).convert("L").convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    drawn = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", drawn.size, "white"), drawn).convert("RGB")
