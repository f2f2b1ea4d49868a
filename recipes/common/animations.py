"""Animations of a process: GIF, and MP4 where ffmpeg is there."""

import contextlib
import shutil
import subprocess
import tempfile

from models.errors import ArchiveError

from PIL import Image

from recipes.common import images

PER_SECOND = 12
LONGEST = 512       # pixels of a GIF's longer side: it keeps every pixel of 256 colours
LAST_FRAME = 2000   # milliseconds


class Files:
    """Pictures in files, read one after another: all of a large process may not fit in memory."""

    def __init__(self, paths):
        self.paths = list(paths)

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        return images.read_with_alpha(self.paths[index])[0]  # result.png may have transparency


def save_gif(run, name, pictures, longest=LONGEST):
    """Save a sequence of RGB pictures as a GIF that shows the last one for two seconds.

    Args:
        run: its folder.
        name: of the file in it.
        pictures: a sequence of RGB uint8 arrays, whose sizes may differ.
        longest: pixels of its longer side, at most; None keeps the last picture's size.
    """
    rows, columns = pictures[-1].shape[:2]
    factor = 1 if longest is None else min(1, longest / max(rows, columns))
    size = max(1, round(rows * factor)), max(1, round(columns * factor))
    frames = (Image.fromarray(images.resize_to(picture, *size)) for picture in pictures)
    durations = [1000 // PER_SECOND] * (len(pictures) - 1) + [LAST_FRAME]
    with run.writing(name) as path:
        next(frames).save(path, format='GIF', save_all=True, append_images=frames,
                          duration=durations, loop=0)


def save_mp4(run, name, pictures):
    """Save a sequence of RGB pictures as a film, where ffmpeg is there.

    Returns:
        Whether it is.

    Raises:
        ArchiveError: ffmpeg failed.
    """
    ffmpeg = shutil.which('ffmpeg')
    if ffmpeg is None:
        return False
    rows, columns = (length // 2 * 2 for length in pictures[-1].shape[:2])  # H.264 wants even ones
    with run.writing(name) as path, tempfile.TemporaryFile() as errors:
        command = [ffmpeg, '-loglevel', 'error', '-y', '-f', 'rawvideo', '-pix_fmt', 'rgb24', '-s',
                   f'{columns}x{rows}', '-r', str(PER_SECOND), '-i', '-', '-pix_fmt', 'yuv420p',
                   '-f', 'mp4', f'file:{path}']  # without file:, run:1/... were an address
        film = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                stderr=errors)
        with contextlib.suppress(BrokenPipeError), film:  # where ffmpeg stops, it says why
            for picture in pictures:
                frame = images.resize_to(picture, rows, columns).tobytes()
                film.stdin.write(frame)
            film.stdin.write(frame * (LAST_FRAME * PER_SECOND // 1000))
        if film.returncode:
            errors.seek(0)
            reason = errors.read().decode(errors='replace').strip().splitlines() or ['no reason']
            raise ArchiveError(f'ffmpeg could not write {name}: {reason[-1]}')
    return True
