"""Classes by name, and what kind of thing they are."""

import difflib

from models.errors import ArchiveError
from models.weights import files

# Of ImageNet's 1000 classes in their order, which follows WordNet: the last index of each kind.
KINDS = ((6, 'fish'), (24, 'birds'), (32, 'amphibians'), (68, 'reptiles'),
         (79, 'spiders and their kin'), (100, 'birds'), (106, 'other mammals'),
         (126, 'sea animals'), (146, 'birds'), (150, 'sea mammals'), (268, 'dogs'),
         (280, 'wolves and foxes'), (293, 'cats'), (299, 'bears and mongooses'), (326, 'insects'),
         (329, 'sea animals'), (388, 'other mammals'), (397, 'fish'), (922, 'things'),
         (969, 'food'), (980, 'landscapes'), (983, 'people'), (990, 'plants'), (997, 'fungi'),
         (999, 'things'))


def class_name(classes, index):
    """Return the first of a class's names, or its number where the network has no names."""
    return f'class {index}' if classes is None else classes[index].split(',')[0]


def find_class(classes, wanted, count):
    """Return the index of a class.

    Args:
        classes: list of names, synonyms separated by commas; or None.
        wanted: an index from 0, or a name: a synonym, or the whole entry; case does not matter.
        count: how many classes the network tells apart.

    Raises:
        ArchiveError: there is no such class, or several; near names are suggested.
    """
    if wanted.strip().isdecimal():
        if int(wanted) < count:
            return int(wanted)
        raise ArchiveError(f'the classes are numbered 0 to {count - 1}; there is no {wanted}')
    if classes is None:
        raise ArchiveError(f'the weight file names no classes; instead of {wanted!r} give a '
                           f'number from 0 to {count - 1}')
    names = {}  # synonym -> indices
    for index, entry in enumerate(classes):
        synonyms = [part.strip().lower() for part in entry.split(',')]
        for name in dict.fromkeys([*synonyms, entry.lower()]):  # not a set, of no fixed order
            names.setdefault(name, []).append(index)
    found = names.get(wanted.strip().lower())
    if found is None:
        near = [name for name in names if wanted.strip().lower() in name] if wanted.strip() else []
        near += difflib.get_close_matches(wanted.lower(), names, n=3, cutoff=0.6)
        by_class = {}
        for name in near:
            by_class.setdefault(tuple(names[name]), name)
        near = list(by_class.values())[:3]
        hint = (f'did you mean {" or ".join(map(repr, near))}?' if near
                else 'give a name of ImageNet or a number')
        raise ArchiveError(f'there is no class {wanted!r}; {hint}')
    if len(found) > 1:
        raise ArchiveError(f'{wanted!r} names the classes {" and ".join(map(str, found))}; give '
                           'the number')
    return found[0]


def kinds_of(classes):
    """Return what kind of thing each class is, 'dogs' or 'food'; 'other' outside ImageNet."""
    kinds = {}
    for index, (_, entry) in enumerate(files.imagenet_classes()):
        kinds[entry] = next(kind for last, kind in KINDS if index <= last)
    return [kinds.get(entry, 'other') for entry in classes]
