"""What is taken of each painting, and how its colours and the result's are distributed."""

import numpy as np

from recipes.common import figures, images, palettes

COLOURS = 12  # that a painting's distribution is measured by where it keeps all of them


def save(run, scene, result, seed):
    """Save what is taken of each painting as style_01.png and so on, style.png with the
    distributions of its colours and the result's, and colours.csv with their measures.

    Args:
        run: `runs.Run`.
        scene: `scene.Scene`.
        result: RGB picture.
        seed: of the palette of a painting that keeps all its colours.
    """
    pictures, titles, rows = [], [], []
    for index, rgb in enumerate(scene.paintings):
        name = f'painting {index + 1}' if len(scene.paintings) > 1 else 'painting'
        degraded = scene.degraded(index, scene.phases - 1)
        pictures += [images.resize_to(rgb, *degraded.shape[:2]), degraded]
        titles += [name, f'{name}, as its style is taken']
        run.save_picture(f'style_{index + 1:02d}.png', degraded, run.record['parameters'])
        palette = palettes.palette_of(rgb, COLOURS, seed) \
            if scene.palettes[index] is None else scene.palettes[index]
        kept, there = palettes.peaks_kept(degraded, result)
        rows.append([name, len(np.unique(degraded.reshape(-1, 3), axis=0)), len(palette),
                     palettes.share_near(degraded, palette), palettes.share_near(result, palette),
                     palettes.entropy(degraded), palettes.entropy(result), there, kept])
    run.save_table('colours.csv', ['painting', 'colours', 'palette', 'near_palette',
                                   'result_near_palette', 'entropy', 'result_entropy', 'peaks',
                                   'peaks_in_result'], rows)
    with run.writing('style.png') as path:
        figures.save_distributions(path, [*pictures, result], [*titles, 'result'])
