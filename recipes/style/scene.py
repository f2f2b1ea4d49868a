"""What a style transfer is given: photo, paintings and masks, at the size of each phase."""

from models.errors import ArchiveError

import numpy as np

from recipes.common import colours, images, palettes, runs
from recipes.style import masks, selections


class Scene:
    """Photo and paintings, with the colours and masks asked for, RGB uint8.

    Args:
        content, style: path of the photo; list of paths of the paintings.
        size: shorter side of the photo in the last phase, in pixels.
        phases: how many; each is twice as large as the one before.
        style_scale: size of the paintings in the photo's.
        margin: pixels of mirrored margin that the photo has.
        crop: whether all are cut to squares.
        init: 'noise', 'content', or the path of a picture to start from.
        colour_way: one of `colours.WAYS`.
        mask_paths: of the photo's mask, then of each painting's; or None.
        style_masks: of each painting a path, of a mask of what counts; or None.
        features: path of a selection of features, or None.
        palette_size, bits: colours, and bits a channel, that paintings are reduced to; or None.
        seed: of the palettes.
        keep_transparency: whether the photo's alpha channel is kept.

    Attributes:
        photo, paintings: of the files' own sizes, whole or cropped.
        alpha: of the photo, uint8 (rows, columns), where its transparency is to be kept, or None.
        notes: what was done otherwise than somebody may think, one line each.
        first: the picture to start from, or None for noise.
        photo_mask, painting_masks: the same of masks; None without.
        colours_of_regions: (red, green, blue) of each, or None without masks.
        kept: how much each pixel of the paintings counts, float32 (rows, columns) or None.
        selection: `selections.Selection` of what to keep of the style, or None.
        palettes: (colours, 3) of each painting, or None where it keeps its own.

    Raises:
        ArchiveError: a picture or mask cannot be used.
    """

    def __init__(self, content, style, size, phases=1, style_scale=1.0, margin=0, crop=False,
                 init='noise', colour_way='painting', mask_paths=None, style_masks=None,
                 features=None, palette_size=None, bits=None, seed=1, keep_transparency=False):
        self.content, self.style, self.size, self.phases = content, list(style), size, phases
        self.style_scale, self.margin, self.crop = style_scale, margin, crop
        self.colour_way, self.bits, self.notes = colour_way, bits, []
        photo, alpha = images.read_with_alpha(content)
        whole = [images.over_white(photo, alpha), *map(images.read, style)]
        self.photo, *self.paintings = map(self._cropped, whole)
        self.alpha = self._kept_alpha(alpha) if keep_transparency else None
        self.first = self._first(init, whole[0])
        if colour_way == 'matched':
            self.paintings = [colours.matched(rgb, self.photo) for rgb in self.paintings]
        elif colour_way == 'luminance':
            self.paintings = [colours.luminance_matched(rgb, self.photo) for rgb in self.paintings]
        self.photo_mask, self.painting_masks = None, [None] * len(self.paintings)
        self.colours_of_regions = None
        if mask_paths:
            self.photo_mask, *self.painting_masks = (
                self._read_mask(masks.read, *parts)
                for parts in zip(mask_paths, (content, *style), whole))
            masks.check(self.photo_mask, self.painting_masks)
            self.colours_of_regions = masks.colours_of(self.photo_mask)
        self.selection = selections.read(features) if features else None
        self.kept = [_both(*pair) for pair in zip(self._read_kept(style_masks, whole[1:]),
                                                  self._selected())]
        self.palettes = [self._palette(rgb, palette_size, seed) for rgb in self.paintings]
        self._check_regions()
        if self.selection is not None and len(self.paintings) > 1:
            self.notes.append(f'{features}: channels leave the style of all paintings, places that '
                              f'of {self.selection.picture} only')

    @property
    def guided(self):
        """Tell whether positions of photo or paintings count differently."""
        return self.colours_of_regions is not None or any(kept is not None for kept in self.kept)

    @property
    def count_of_regions(self):
        """How many regions have statistics of their own; 0 where all positions are alike."""
        if self.colours_of_regions is not None:
            return len(self.colours_of_regions)
        return int(self.guided)

    @property
    def degrades(self):
        """Tell whether the style is taken from less than the paintings are."""
        return (self.bits is not None or any(palette is not None for palette in self.palettes)
                or any(kept is not None for kept in self.kept))

    def _first(self, init, photo):
        """Read the picture to start from; None for noise.

        Args:
            init: 'noise', 'content' or a path.
            photo: whole.
        """
        if init == 'noise':
            return None
        if init == 'content':
            return self.photo
        first = images.read(init)
        if not masks.same_shape(first.shape, photo.shape):
            self.notes.append(f'{init} is {first.shape[1]}x{first.shape[0]} pixels and the photo '
                              f'{photo.shape[1]}x{photo.shape[0]}: to start from, it is stretched '
                              "to the photo's shape")
        return self._cropped(first)

    def _kept_alpha(self, alpha):
        """Take the photo's alpha channel, or note that it has none."""
        if alpha is None:
            self.notes.append(f'nothing of {self.content} is transparent, so there is '
                              'nothing to keep of that')
            return None
        return self._cropped(alpha)

    def with_alpha(self, rgb):
        """Add the photo's transparency to a picture, RGBA, where that is to be kept."""
        if self.alpha is None:
            return rgb
        return np.dstack([rgb, images.resize_to(self.alpha, *rgb.shape[:2])])

    def _read_kept(self, paths, paintings):
        """Read how much each pixel of each painting counts.

        Args:
            paths: of the masks, or None.
            paintings: whole.
        """
        return [None if path is None else self._read_mask(masks.read_kept, path, *of_painting)
                for path, *of_painting in zip(paths or [None] * len(paintings), self.style,
                                              paintings)]

    def _read_mask(self, reader, path, whose, rgb):
        """Read a mask of a picture.

        Args:
            reader: `masks.read` or `masks.read_kept`.
            path: of the mask.
            whose: path of the picture.
            rgb: the picture, whole.
        """
        mask = reader(path)
        masks.check_shape(path, mask, whose, rgb)
        return self._cropped(mask)

    def _selected(self):
        """Find how much each pixel of each painting counts by the selection, where it says so.

        Raises:
            ArchiveError: it was made on none of the paintings.
        """
        if self.selection is None:
            return [None] * len(self.paintings)
        found, known = [], False
        for path in self.style:
            rgb = images.read(path)
            own = runs.pixel_hash(rgb) == self.selection.pixels
            kept = self.selection.kept(rgb) if own else None
            known |= own
            found.append(kept if kept is None else self._cropped(kept))
        if not known:
            raise ArchiveError(f'{self.selection.path} was made on another picture '
                               f'({self.selection.picture}) than '
                               f'{", ".join(map(str, self.style))}; take that as --style, '
                               'or make an atlas of this')
        return found

    def _palette(self, rgb, count, seed):
        """Find the colours that a painting is reduced to, or None."""
        if count is None:
            return None
        palette = palettes.palette_of(rgb, count, seed)
        return palette if self.bits is None else palettes.with_bits(palette, self.bits)

    def _check_regions(self):
        """Stop where nothing that counts is left of a region in the photo or in the paintings."""
        if not self.guided:
            return
        for phase in range(self.phases):
            _, of_photo = self.photo_to_match(phase)
            of_paintings = [self.painting_regions(index, phase)
                            for index in range(len(self.paintings))]
            for where, found in (('the photo', [of_photo]), ('the painting', of_paintings)):
                masses = np.sum([regions.sum(axis=(1, 2)) for regions in found], axis=0)
                if masses.min() >= 1:
                    continue
                which = '' if self.colours_of_regions is None else \
                    f' in the region {masks.hexadecimal(self.colours_of_regions[masses.argmin()])}'
                raise ArchiveError(f'nothing of {where} is left{which} at --size '
                                   f'{self.shorter_side(phase)}; make its part of the mask larger')

    def _cropped(self, picture):
        return images.crop_square(picture) if self.crop else picture

    def shapes(self):
        """Compute the shape of the picture that each phase paints, its margin included."""
        margins = 2 * self.margin
        return [(1, 3, *(length + margins for length in images.fitted(self.photo.shape, size)))
                for size in map(self.shorter_side, range(self.phases))]

    def shorter_side(self, phase):
        """Compute the shorter side of the photo in a phase, in pixels: half of the next phase's."""
        return max(images.SMALLEST, round(self.size / 2 ** (self.phases - 1 - phase)))

    def painting_size(self, phase):
        """Compute the shorter side of the paintings in a phase, in pixels."""
        return max(images.SMALLEST, round(self.shorter_side(phase) * self.style_scale))

    def painting_shapes(self, phase):
        """Compute the shapes of the paintings in a phase, (1, 3, rows, columns) each."""
        size = self.painting_size(phase)
        return [(1, 3, *images.fitted(rgb.shape, size)) for rgb in self.paintings]

    def photo_at(self, phase):
        """Resize the photo to a phase, without margin, in its own colours."""
        size = images.fitted(self.photo.shape, self.shorter_side(phase))
        return images.resize_to(self.photo, *size)

    def photo_to_match(self, phase):
        """Prepare the photo in a phase with its margin, RGB, and its regions, or None.

        The photo has a mirrored margin, which is painted too and cut off at the end: at the border
        convolutions see zeros beyond it, and a strip of 4 to 8 pixels turns out too bright.
        """
        rgb, mask = self.in_grey(self.photo_at(phase)), self.photo_mask
        if mask is not None:
            mask = images.extend(masks.resize_to(mask, *rgb.shape[:2]), self.margin)
        picture = images.extend(rgb, self.margin)
        regions = self._regions(mask)
        if self.guided and regions is None:
            regions = np.ones((1, *picture.shape[:2]), 'float32')
        return picture, regions

    def degraded(self, index, phase):
        """Prepare a painting in a phase for its statistics, RGB uint8: what does not count
        painted over, in the colours and bits that are left to it."""
        rgb, kept = self.paintings[index], self.kept[index]
        size = images.fitted(rgb.shape, self.painting_size(phase))
        rgb = images.resize_to(rgb, *size)
        if kept is not None:
            rgb = masks.paint_over(rgb, masks.fitted(kept, *size))
        if self.palettes[index] is not None:  # now: resizing mixes colours
            return palettes.with_palette(rgb, self.palettes[index])
        return rgb if self.bits is None else palettes.with_bits(rgb, self.bits)

    def painting_regions(self, index, phase):
        """Compute how much each pixel of a painting counts in each region, or None."""
        if not self.guided:
            return None
        mask, kept = self.painting_masks[index], self.kept[index]
        size = images.fitted(self.paintings[index].shape, self.painting_size(phase))
        regions = np.ones((1, *size), 'float32') if mask is None else self._regions(
            masks.resize_to(mask, *size))
        return regions if kept is None else regions * masks.fitted(kept, *size)

    def in_grey(self, rgb):
        """Convert a picture to how it is painted: to its luminance, where only that is."""
        return colours.as_grey(colours.luminance(rgb)) if self.colour_way == 'luminance' else rgb

    def in_its_colours(self, phase, picture):
        """Give a painted picture the photo's colours where only its luminance is painted."""
        return colours.with_colours_of(self.photo_at(phase), picture) \
            if self.colour_way == 'luminance' else picture

    def start(self, phase):
        """Resize the picture to start from in a phase, without margin; None for noise."""
        if self.first is None:
            return None
        size = images.fitted(self.photo.shape, self.shorter_side(phase))
        return self.in_grey(images.resize_to(self.first, *size))

    def hashes(self):
        """Collect what the pixels of all pictures are told apart by, for run.json."""
        return {'photo_pixels': runs.pixel_hash(self.photo),
                'painting_pixels': [runs.pixel_hash(rgb) for rgb in self.paintings],
                'alpha_pixels': None if self.alpha is None else runs.pixel_hash(self.alpha),
                'mask_pixels': [runs.pixel_hash(mask) for mask in
                                (self.photo_mask, *self.painting_masks) if mask is not None],
                'dropped': self.selection and self.selection.dropped,
                'kept_pixels': [None if kept is None else runs.pixel_hash(kept)
                                for kept in self.kept]}

    def _regions(self, mask):
        return None if mask is None else masks.regions(mask, self.colours_of_regions)


def _both(kept, other):
    """Multiply how much pixels count that may be left out by either; None is everything."""
    if kept is None or other is None:
        return other if kept is None else kept
    return kept * masks.fitted(other, *kept.shape)
