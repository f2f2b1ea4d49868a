"""Classes by name, and what kind of thing they are."""

import difflib
import re
from collections import namedtuple

import models
from models.errors import ArchiveError
from models.weights import files

import numpy as np

from recipes.common import quantities

# Of ImageNet's 1000 classes in their order, which follows WordNet: the last index of each kind.
KINDS = ((6, 'fish'), (24, 'birds'), (32, 'amphibians'), (68, 'reptiles'),
         (79, 'spiders and their kin'), (100, 'birds'), (106, 'other mammals'),
         (126, 'sea animals'), (146, 'birds'), (150, 'sea mammals'), (268, 'dogs'),
         (280, 'wolves and foxes'), (293, 'cats'), (299, 'bears and mongooses'), (326, 'insects'),
         (329, 'sea animals'), (388, 'other mammals'), (397, 'fish'), (922, 'things'),
         (969, 'food'), (980, 'landscapes'), (983, 'people'), (990, 'plants'), (997, 'fungi'),
         (999, 'things'))

SUGGESTED = 3     # classes at most in an error
SHORTEST_END = 4  # letters: a goldfish is a fish, but an elephant is no ant
GUESSES = 3       # likeliest classes that are told
SURE = 0.1        # of the likeliest class's probability; below, the network does not know

# A class that a network may see: its index, its name, and its probability.
Guess = namedtuple('Guess', 'index name probability')


def class_name(classes, index):
    """Name a class: the first of its names, or its number where the network has no names."""
    return f'class {index}' if classes is None else classes[index].split(',')[0]


def guesses(classes, probabilities):
    """List the likeliest classes as `Guess`es, the likeliest first.

    Args:
        classes: their names, or None.
        probabilities: (classes,).
    """
    order = np.argsort(-probabilities, kind='stable')[:GUESSES]
    return [Guess(int(index), class_name(classes, index), float(probabilities[index]))
            for index in order]


def unsure(guessed):
    """Tell whether a network does not know what it sees.

    Args:
        guessed: as of `guesses`.
    """
    return guessed[0].probability < SURE


def in_words(guessed):
    """Write guesses with their probabilities, and say so where the network does not know.

    Args:
        guessed: as of `guesses`.
    """
    words = ', '.join(f'{one.name} {quantities.probability(one.probability)}' for one in guessed)
    return f'not sure: {words}' if unsure(guessed) else words


def scores_of(net, network, instead):
    """Find the layer of a network's class scores, before the softmax.

    Args:
        net: ordered dict of layers, not cut off.
        network: its name.
        instead: what to do with a network that has no classes.

    Raises:
        ArchiveError: it has none.
    """
    try:
        return models.scores(net)
    except ArchiveError as problem:
        last = next(reversed(net.values())).name
        raise ArchiveError(f'{network} ends at {last} and tells no classes apart; {instead} '
                           f'(`python -m models` lists networks, '
                           f'`{models.listing("layers", network)}` its layers)') from problem


def find_class(classes, wanted, count, network='NETWORK', weights=None):
    """Find the index of a class.

    Args:
        classes: list of names, synonyms separated by commas; or None.
        wanted: an index from 0, or a name: a synonym, or the whole entry; case does not matter.
        count: how many classes the network tells apart.
        network, weights: its name and weight file, for the command that lists its classes.

    Raises:
        ArchiveError: there is no such class, or several; near ones are suggested.
    """
    if wanted.strip().isdecimal():
        if int(wanted) < count:
            return int(wanted)
        raise ArchiveError(f'there is no class {wanted}, they are numbered 0 to {count - 1}; '
                           f'{models.listing("classes", network, None, weights)} lists all')
    if classes is None:
        raise ArchiveError(f'the weight file names no classes; instead of {wanted!r} give a '
                           f'number from 0 to {count - 1}')
    found = named(classes).get(wanted.strip().lower())
    if found is None:
        hint = suggestion(classes, wanted.strip(), network, weights)
        raise ArchiveError(f'there is no class {wanted!r}; {hint}')
    if len(found) > 1:
        raise ArchiveError(f'{wanted!r} names the classes {" and ".join(map(str, found))}; give '
                           f'the number; {models.listing("classes", network, wanted, weights)} '
                           'lists them')
    return found[0]


def named(classes):
    """Find which classes have a name: synonym, or whole entry, in small letters -> indices."""
    names = {}
    for index, entry in enumerate(classes):
        synonyms = [part.strip().lower() for part in entry.split(',')]
        for name in dict.fromkeys([*synonyms, entry.lower()]):  # not a set, of no fixed order
            names.setdefault(name, []).append(index)
    return names


def suggestion(classes, wanted, network, weights=None):
    """Write which classes could be meant by a name that none has, and the command that lists them.
    """
    found = search(classes, wanted)
    if len(found) > SUGGESTED:
        some = ', '.join(_name_with(classes[index], wanted) for index in found[:SUGGESTED])
        return (f'{len(found)} classes are of this kind or have it in their names, such as {some}; '
                f'{models.listing("classes", network, wanted, weights)} lists them')
    near = [_name_with(classes[index], wanted) for index in found] or _spelt_alike(classes, wanted)
    hint = f'did you mean {" or ".join(map(repr, near))}?' if near else 'give a name or a number;'
    return f'{hint} {models.listing("classes", network, None, weights)} lists all'


def _spelt_alike(classes, wanted):
    """Find names that are spelt much like another, one a class."""
    names, found = named(classes), {}
    for name in difflib.get_close_matches(wanted.lower(), names, n=SUGGESTED, cutoff=0.6):
        found.setdefault(tuple(names[name]), name)
    return list(found.values())


def search(classes, text):
    """Find the indices of the classes that have every word of a text, in their names or kinds.

    First those with the words themselves, in singular or plural: 'dog' finds each kind of dogs.
    Then those with words that end in them: 'snake' finds the rattlesnake. Where there are none,
    parts of names count: 'retriev' finds the retrievers.
    """
    if not _words(text):
        return []
    told = [f'{entry} {kind}' for entry, kind in zip(classes, kinds_of(classes))]
    exact = [index for index, words in enumerate(told) if _has_words(words, text)]
    return (exact + [index for index, words in enumerate(told)
                     if index not in exact and _has_words(words, text, SHORTEST_END)]
            or [index for index, entry in enumerate(classes) if text.lower() in entry.lower()])


def _name_with(entry, text):
    """Find the first of a class's names that has the words, or the first of all."""
    names = [name.strip() for name in entry.split(',')]
    return next((name for name in names
                 if _has_words(name, text, SHORTEST_END) or text.lower() in name.lower()),
                names[0])


def _has_words(name, text, shortest_end=float('inf')):
    """Tell whether a name has every word of a text; those of so many letters may be its ends."""
    words = _words(name)
    return all(any(word == wanted or (len(wanted) >= shortest_end and word.endswith(wanted))
                   for word in words) for wanted in _words(text))


def _words(text):
    """List the words of a text in small letters, without the s of a plural."""
    return [word[:-1] if word.endswith('s') and not word.endswith('ss') else word
            for word in re.findall(r'\w+', text.lower())]


def kinds_of(classes):
    """Tell what kind of thing each class is, 'dogs' or 'food'; 'other' outside ImageNet.

    A class is known by all its names as ImageNet lists them, by its WordNet id, alone or before the
    names, or by one name that no other class has.
    """
    known = files.imagenet_classes()
    own = [next(kind for last, kind in KINDS if index <= last) for index in range(len(known))]
    if list(classes) == [entry for _, entry in known]:  # two of which are called 'crane'
        return own
    kinds, synonyms = {}, {}
    for (wnid, entry), kind in zip(known, own):
        kinds[wnid] = kinds[entry] = kind
        for name in {part.strip() for part in entry.split(',')}:
            synonyms.setdefault(name, []).append(kind)
    alone = {name: found[0] for name, found in synonyms.items() if len(found) == 1}
    return [kinds.get(entry) or kinds.get(re.split('[ _]', entry)[0]) or alone.get(entry, 'other')
            for entry in classes]
