"""What a style transfer is given: photo, paintings and masks, at the size of each phase."""

from collections import namedtuple

from recipes.common import colours, images, masks

# (1, 3, rows, columns), BGR minus mean; (regions, rows, columns) or None; share in the style.
Painting = namedtuple('Painting', 'image regions share')


class Scene:
    """Photo and paintings, with the colours and masks asked for, RGB uint8.

    Args:
        options: of the command line.

    Attributes:
        photo, paintings: of the files' own sizes, whole or cropped.
        photo_mask, painting_masks: the same of masks; None without.
        colours_of_regions: (red, green, blue) of each, or None without masks.

    Raises:
        ArchiveError: a picture or mask cannot be used.
    """

    def __init__(self, options):
        self.options = options
        self.photo = self._read(options.content)
        self.paintings = [self._read(path) for path in options.style]
        if options.init not in ('noise', 'content'):
            images.read(options.init)  # it must be good before anything is begun
        if options.colours == 'matched':
            self.paintings = [colours.matched(rgb, self.photo) for rgb in self.paintings]
        elif options.colours == 'luminance':
            self.paintings = [colours.luminance_matched(rgb, self.photo) for rgb in self.paintings]
        self.photo_mask, self.painting_masks = None, [None] * len(self.paintings)
        self.colours_of_regions = None
        if options.masks:
            self.photo_mask, *self.painting_masks = (self._read(path, masks.read)
                                                     for path in options.masks)
            masks.check(self.photo_mask, self.painting_masks)
            self.colours_of_regions = masks.colours_of(self.photo_mask)

    def _read(self, path, reader=images.read):
        rgb = reader(path)
        return images.crop_square(rgb) if self.options.crop else rgb

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
        return prepare(images.extend(rgb, margin)), self._regions(mask)

    def paintings_at(self, phase, prepare):
        """Return a list of `Painting` in a phase; prepare as of `target_at`."""
        found = []
        for rgb, mask, share in zip(self.paintings, self.painting_masks,
                                    self.options.style_blend):
            size = images.fitted(rgb.shape, self.painting_size(phase))
            mask = None if mask is None else masks.resize_to(mask, *size)
            found.append(Painting(prepare(images.resize_to(rgb, *size)), self._regions(mask),
                                  share))
        return found

    def in_grey(self, rgb):
        """Return a picture as it is painted: its luminance, where only that is."""
        return colours.as_grey(colours.luminance(rgb)) if self.options.colours == 'luminance' \
            else rgb

    def start(self, rows, columns):
        """Return the picture of --init at that size, without margin."""
        path = self.options.content if self.options.init == 'content' else self.options.init
        return self.in_grey(images.resize_to(self._read(path), rows, columns))

    def _regions(self, mask):
        return None if mask is None else masks.regions(mask, self.colours_of_regions)
