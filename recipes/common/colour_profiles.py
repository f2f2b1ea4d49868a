"""Colours of pictures that have an ICC profile, in sRGB, which networks were trained on."""

import io

import numpy as np
from PIL import Image, ImageCms

# Flags of Little CMS. Its shortcut for grey is a curve of 33 points, 10 levels off in the dark, and
# without it 1.5 million pixels take a second: so grey is looked up in a table.
BLACK_POINT_COMPENSATION, NO_SHORTCUT = 0x2000, 0x0100
GREY = ('1', 'L', 'LA', 'La', 'I', 'I;16', 'I;16B', 'I;16L', 'I;16N')
SAME = 1    # level: a profile that changes no colour by more is sRGB's own, one of many versions
GRID = np.linspace(0, 255, 9).astype('uint8')  # levels of the colours that are tried


def to_srgb(profile, mode):
    """Make a function that takes pictures of a profile's colours to sRGB.

    The rendering intent is relative colorimetric, with compensation of the black point.

    Args:
        profile: ICC profile, bytes.
        mode: Pillow's, of the pictures that it comes with.

    Returns:
        Function from a PIL picture to an RGB one; None where the profile is sRGB's.

    Raises:
        ValueError: it is broken, or belongs to colours of another kind.
    """
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
    except Exception as problem:  # whatever the library raises
        raise ValueError('it is broken') from problem
    own = {'RGB': 'RGB', 'GRAY': 'L', 'CMYK': 'CMYK'}.get(space)
    if own is None or (own == 'CMYK') != (mode == 'CMYK') or (own == 'L' and mode not in GREY):
        raise ValueError(f'it is for colours of the kind {space}, and the picture is {mode}')
    try:
        transform = ImageCms.buildTransform(
            source, ImageCms.createProfile('sRGB'), own, 'RGB',
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            BLACK_POINT_COMPENSATION | (NO_SHORTCUT if own == 'L' else 0))
        tried = _tried(own)
        changed = np.array(ImageCms.applyTransform(tried, transform), int)
    except Exception as problem:
        raise ValueError('it is broken') from problem
    if own != 'CMYK' and abs(changed - np.array(tried.convert('RGB'), int)).max() <= SAME:
        return None
    if own == 'L':
        return lambda picture: Image.fromarray(changed[0].astype('uint8')[np.asarray(
            picture.convert('L'))])
    return lambda picture: ImageCms.applyTransform(picture.convert(own), transform)


def _tried(mode):
    """Colours from all over a space, and every grey, as a picture of one row."""
    if mode == 'L':
        return Image.fromarray(np.arange(256, dtype='uint8')[None])
    colours = np.stack(np.meshgrid(*[GRID] * len(mode)), -1)
    return Image.fromarray(colours.reshape(1, -1, len(mode)), mode)
