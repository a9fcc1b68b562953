"""A picture that a person uploads: bounded, decoded as a whole and made anew, so that only its pixels are kept."""

from __future__ import annotations

import io

from PIL import Image, ImageOps

from caseproof.domain.errors import BadInput

MOST_BYTES = 10_000_000
"""How many bytes an uploaded picture may have, as it comes and as it is kept."""
_MOST_PIXELS = 16_000_000
_SMALLEST, _LONGEST = 200, 12_000
_KINDS = ("PNG", "JPEG")
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
    try:
        with Image.open(io.BytesIO(content), formats=_KINDS) as image:
            width, height = image.size
            if width * height > _MOST_PIXELS or max(width, height) > _LONGEST:
                raise BadInput(
                    f"The picture has {width} by {height} pixels, more than anybody can look at.",
                    "Cut out what shows the run, and upload that.",
                )
            if min(width, height) < _SMALLEST:
                raise BadInput(f"The picture has {width} by {height} pixels: nothing can be read on it.", _OTHERWISE)
            image.load()
            return ImageOps.exif_transpose(image).convert("RGB")
    # Strangers' files: whatever a decoder stumbles over, it is no picture to us.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadInput("This file is no PNG or JPEG picture, or it is damaged.", _OTHERWISE) from error
