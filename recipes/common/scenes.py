"""What a style transfer is given: photo, paintings and masks, at the size of each phase."""

from collections import namedtuple

import numpy as np

from models.errors import ArchiveError
from recipes.common import colours, images, masks, palettes, runs, selections

# (1, 3, rows, columns), BGR minus mean; (regions, rows, columns) or None; share in the style.
Painting = namedtuple('Painting', 'image regions share')


class Scene:
    """Photo and paintings, with the colours and masks asked for, RGB uint8.

    Args:
        options: of the command line.

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

    def __init__(self, options):
        self.options, self.notes = options, []
        photo, alpha = images.read_with_alpha(options.content)
        whole = [images.over_white(photo, alpha), *map(images.read, options.style)]
        self.photo, *self.paintings = map(self._cropped, whole)
        self.alpha = self._kept_alpha(alpha)
        self.first = self._first(whole[0])
        if options.colours == 'matched':
            self.paintings = [colours.matched(rgb, self.photo) for rgb in self.paintings]
        elif options.colours == 'luminance':
            self.paintings = [colours.luminance_matched(rgb, self.photo) for rgb in self.paintings]
        self.photo_mask, self.painting_masks = None, [None] * len(self.paintings)
        self.colours_of_regions = None
        if options.masks:
            self.photo_mask, *self.painting_masks = (
                self._read_mask(masks.read, *parts)
                for parts in zip(options.masks, (options.content, *options.style), whole))
            masks.check(self.photo_mask, self.painting_masks)
            self.colours_of_regions = masks.colours_of(self.photo_mask)
        self.selection = selections.read(options.features) if options.features else None
        self.kept = [_both(*pair) for pair in zip(self._read_kept(whole[1:]), self._selected())]
        self.palettes = [self._palette(rgb) for rgb in self.paintings]
        self._check_regions()

    @property
    def guided(self):
        """Whether positions of photo or paintings count differently."""
        return self.colours_of_regions is not None or any(kept is not None for kept in self.kept)

    @property
    def count_of_regions(self):
        """How many regions have statistics of their own; 0 where all positions are alike."""
        if self.colours_of_regions is not None:
            return len(self.colours_of_regions)
        return int(self.guided)

    @property
    def degrades(self):
        """Whether the style is taken from less than the paintings are."""
        options = self.options
        return bool(options.style_palette or options.style_bits
                    or any(kept is not None for kept in self.kept))

    def _first(self, photo):
        """Return the picture to start from, or None for noise.

        Args:
            photo: whole.
        """
        init = self.options.init
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
        """Return the photo's alpha channel where it is to be put back."""
        if not self.options.keep_transparency:
            return None
        if alpha is None:
            self.notes.append(f'nothing of {self.options.content} is transparent, so there is '
                              'nothing to keep of that')
            return None
        return self._cropped(alpha)

    def with_alpha(self, rgb):
        """Return a picture with the photo's transparency, RGBA, where that is to be kept."""
        if self.alpha is None:
            return rgb
        return np.dstack([rgb, images.resize_to(self.alpha, *rgb.shape[:2])])

    def _read_kept(self, paintings):
        """Return how much each pixel of each painting counts.

        Args:
            paintings: whole.
        """
        paths = self.options.style_mask or [None] * len(paintings)
        return [None if path is None else self._read_mask(masks.read_kept, path, *of_painting)
                for path, *of_painting in zip(paths, self.options.style, paintings)]

    def _read_mask(self, reader, path, whose, rgb):
        """Return a mask of a picture.

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
        """Return how much each pixel of each painting counts by the selection, where it says so.

        Raises:
            ArchiveError: it was made on none of the paintings.
        """
        if self.selection is None:
            return [None] * len(self.paintings)
        found, known = [], False
        for path in self.options.style:
            rgb = images.read(path)
            own = runs.pixel_hash(rgb) == self.selection.pixels
            kept = self.selection.kept(rgb) if own else None
            known |= own
            found.append(kept if kept is None else self._cropped(kept))
        if not known:
            raise ArchiveError(f'{self.options.features} was made on another picture '
                               f'({self.selection.picture}) than '
                               f'{", ".join(map(str, self.options.style))}; take that as --style, '
                               'or make an atlas of this')
        return found

    def _palette(self, rgb):
        """Return the colours that a painting is reduced to, or None."""
        options = self.options
        if options.style_palette is None:
            return None
        palette = palettes.palette_of(rgb, options.style_palette, options.seed)
        return palette if options.style_bits is None else palettes.with_bits(palette,
                                                                             options.style_bits)

    def _check_regions(self):
        """Stop where nothing that counts is left of a region in the photo or in the paintings."""
        if not self.guided:
            return
        for phase in range(self.options.phases):
            _, of_photo = self.target_at(phase, lambda rgb: rgb)
            of_paintings = [self._painting_regions(index, phase)
                            for index in range(len(self.paintings))]
            for where, found in (('the photo', [of_photo]), ('the painting', of_paintings)):
                masses = np.sum([regions.sum(axis=(1, 2)) for regions in found], axis=0)
                if masses.min() >= 1:
                    continue
                which = '' if self.colours_of_regions is None else \
                    f' in the region {masks.hexadecimal(self.colours_of_regions[masses.argmin()])}'
                raise ArchiveError(f'nothing of {where} is left{which} at --size '
                                   f'{self.size(phase)}; make its part of the mask larger')

    def _cropped(self, picture):
        return images.crop_square(picture) if self.options.crop else picture

    def pictures_of_masks(self):
        """Return the masks, photo's first; an empty list without."""
        return [mask for mask in (self.photo_mask, *self.painting_masks) if mask is not None]

    def shapes(self):
        """Return the shape of the picture that each phase paints, its margin included."""
        margins = 2 * self.options.margin
        return [(1, 3, *(length + margins for length in images.fitted(self.photo.shape, size)))
                for size in map(self.size, range(self.options.phases))]

    def size(self, phase):
        """Return the shorter side of the photo in a phase, in pixels: half of the next phase's."""
        options = self.options
        return max(images.SMALLEST, round(options.size / 2 ** (options.phases - 1 - phase)))

    def painting_size(self, phase):
        """Return the shorter side of the paintings in a phase, in pixels."""
        return max(images.SMALLEST, round(self.size(phase) * self.options.style_scale))

    def photo_at(self, phase):
        """Return the photo in a phase, without margin, in its own colours."""
        return images.resize_to(self.photo, *images.fitted(self.photo.shape, self.size(phase)))

    def target_at(self, phase, prepare):
        """Return (photo, regions) in a phase, as `compute_targets` takes them.

        The photo has a mirrored margin, which is painted too and cut off at the end: at the border
        convolutions see zeros beyond it, and a strip of 4 to 8 pixels turns out too bright.

        Args:
            phase: its index.
            prepare: function from an RGB picture to what the network takes.
        """
        rgb, margin = self.in_grey(self.photo_at(phase)), self.options.margin
        mask = self.photo_mask
        if mask is not None:
            mask = images.extend(masks.resize_to(mask, *rgb.shape[:2]), margin)
        picture = images.extend(rgb, margin)
        regions = self._regions(mask)
        if self.guided and regions is None:
            regions = np.ones((1, *picture.shape[:2]), 'float32')
        return prepare(picture), regions

    def paintings_at(self, phase, prepare):
        """Return a list of `Painting` in a phase; prepare as of `target_at`."""
        return [Painting(prepare(self.degraded(index, phase)), self._painting_regions(index, phase),
                         self.options.style_blend[index])
                for index in range(len(self.paintings))]

    def degraded(self, index, phase):
        """Return a painting in a phase as its statistics are taken, RGB: what does not count
        painted over, in the colours and bits that are left to it."""
        options, rgb, kept = self.options, self.paintings[index], self.kept[index]
        size = images.fitted(rgb.shape, self.painting_size(phase))
        rgb = images.resize_to(rgb, *size)
        if kept is not None:
            rgb = masks.paint_over(rgb, masks.fitted(kept, *size))
        if self.palettes[index] is not None:  # now: resizing mixes colours
            return palettes.with_palette(rgb, self.palettes[index])
        return rgb if options.style_bits is None else palettes.with_bits(rgb, options.style_bits)

    def _painting_regions(self, index, phase):
        """Return how much each pixel of a painting counts in each region, or None."""
        if not self.guided:
            return None
        mask, kept = self.painting_masks[index], self.kept[index]
        size = images.fitted(self.paintings[index].shape, self.painting_size(phase))
        regions = np.ones((1, *size), 'float32') if mask is None else self._regions(
            masks.resize_to(mask, *size))
        return regions if kept is None else regions * masks.fitted(kept, *size)

    def in_grey(self, rgb):
        """Return a picture as it is painted: its luminance, where only that is."""
        return colours.as_grey(colours.luminance(rgb)) if self.options.colours == 'luminance' \
            else rgb

    def start(self, rows, columns):
        """Return the picture of --init at that size, without margin."""
        return self.in_grey(images.resize_to(self.first, rows, columns))

    def _regions(self, mask):
        return None if mask is None else masks.regions(mask, self.colours_of_regions)


def _both(kept, other):
    """Return how much pixels count that may be left out by either; None is everything."""
    if kept is None or other is None:
        return other if kept is None else kept
    return kept * masks.fitted(other, *kept.shape)
