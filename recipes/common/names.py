"""Names out of files (of photos, of classes) as names of results, in titles and in pages.

Nobody knows what such a name holds: a slash, two dots, markup, bytes that are no text. Here it
becomes a name that stays in the folder of the run and is nobody else's, or text that is only text.
"""

import html
import unicodedata

from models.errors import one_line

# Of 255 bytes that file systems allow; the recipes add up to 40, such as _deconvnet_overlay.png.
LONGEST = 120
TITLE = 100  # characters of a line of a title
UNSAFE = set('/\\:*?"<>|')  # in names of files, on one system or another
DEVICES = {'con', 'prn', 'aux', 'nul', *(f'{port}{number}' for port in ('com', 'lpt')
                                         for number in range(10))}  # of Windows, with any ending


def file_name(text, otherwise='unnamed'):
    """Make a name that is safe as a file's or folder's, without an ending.

    What is unsafe or cannot be printed becomes '-'. The name is never empty, '.' or '..', does not
    begin with a dot or a dash, is not reserved, and has at most 120 bytes in UTF-8.

    Args:
        text: any name.
        otherwise: the name where nothing of it is left.
    """
    text = unicodedata.normalize('NFC', str(text))
    safe = ''.join(char if char.isprintable() and char not in UNSAFE else '-' for char in text)
    safe = safe.lstrip('-. ').encode()[:LONGEST].decode(errors='ignore').rstrip('-. ')
    if safe.partition('.')[0].rstrip().lower() in DEVICES:
        safe = f'_{safe}'
    return safe or otherwise


def unique(wanted, taken=(), otherwise='unnamed'):
    """Safe names of files of which no two are the same, also where case does not count.

    Args:
        wanted: dict of keys to names as they are.
        taken: names of other files in the same folder.
        otherwise: as of `file_name`.

    Returns:
        Dict of the same keys to names; the second `a` is `a-2`.
    """
    used, names, last = set(map(_compared, taken)), {}, {}
    for key, text in wanted.items():
        name = stem = file_name(text, otherwise)
        while _compared(name) in used:
            last[stem] = last.get(stem, 1) + 1
            name = f'{stem}-{last[stem]}'
        used.add(_compared(name))
        names[key] = name
    return names


def _compared(name):
    return unicodedata.normalize('NFC', name.casefold())


def in_title(text):
    """Write a text as the title of a figure, without markup: its own lines, each printable."""
    return '\n'.join(one_line(line, TITLE) for line in str(text).split('\n'))


def in_page(text):
    """Escape a text for a page, in an element or in an attribute."""
    return html.escape(one_line(text))
