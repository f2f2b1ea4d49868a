"""Which module of a file a layout means, whatever stands before, within or between its names.

People put networks into others: DataParallel says `module.features.0` or `features.module.0`, a
larger model `backbone.features.0`, its saved part only `0`, and other tools write `conv1_1/W` or
`conv1_1_W`. None of these words is known here. A name is found if it is the end of what the file
has, behind one beginning for all modules; a group with one member, which tells nothing, is left
out; and what separates the parts of a name does not matter.
"""

import re
from collections import Counter

PARTS = re.compile(r'[./:]')
MOST_BEGINNINGS = 16  # that are tried; those of the most modules


class Names:
    """Modules of a file under the names that a layout may ask for.

    Args:
        modules: dict from such a name to the name in the file.
    """

    def __init__(self, modules):
        self._modules = {spelt(name): module for name, module in modules.items()}

    def __contains__(self, name):
        return spelt(name) in self._modules

    def get(self, name):
        """Find the name in the file, or None."""
        return self._modules.get(spelt(name))


def views(modules, first):
    """List the ways to see a file's names, a list of `Names`, the most literal first.

    Args:
        modules: names in the file.
        first: the name that the layout has for the first layer.
    """
    literal = {name: name for name in modules}
    found = [literal]
    for names in (literal, without_wrappers(modules)):
        group, _, alone = first.rpartition('.')
        for target, root in ((first, ''), (alone, f'{group}.')) if group else ((first, ''),):
            found += [{root + name: module for name, module in part.items()}
                      for part in (*behind_beginnings(names, target), last_parts(names))]
    return [Names(names) for names in found]


def spelt(name):
    """Write a name in one spelling, whatever separates its parts."""
    return PARTS.sub('_', name)


def without_wrappers(modules):
    """Strip names: dict from names without groups of one member to the names in a file.

    `features.module.0` becomes `features.0` where nothing else is in `features`. What has weights
    itself is no group: `head.fc` stays.
    """
    paths = {name: PARTS.split(name) for name in modules}
    members = {}
    for path in paths.values():
        for depth, part in enumerate(path):
            members.setdefault(tuple(path[:depth]), set()).add((part, depth == len(path) - 1))
    shorter = {}
    for name, path in paths.items():
        kept = [part for depth, part in enumerate(path)
                if depth == len(path) - 1 or len(members[tuple(path[:depth])]) > 1]
        shorter['.'.join(kept)] = name
    return shorter if len(shorter) == len(paths) else {name: name for name in modules}


def behind_beginnings(names, target):
    """Find the modules behind each beginning that stands before a name, a list of dicts."""
    names = {spelt(name): module for name, module in names.items()}
    target = spelt(target)
    beginnings = {name[:len(name) - len(target)] for name in names
                  if name == target or name.endswith('_' + target)}
    sizes = Counter({beginning: sum(name.startswith(beginning) for name in names)
                     for beginning in sorted(beginnings)[:10 * MOST_BEGINNINGS]})
    return [{name[len(beginning):]: module for name, module in names.items()
             if name.startswith(beginning)}
            for beginning, _ in sizes.most_common(MOST_BEGINNINGS)]


def last_parts(names):
    """Find the modules by the last parts of their names, of those that no two have."""
    lasts = {name: PARTS.split(name)[-1] for name in names}
    counts = Counter(lasts.values())
    return {last: names[name] for name, last in lasts.items() if counts[last] == 1}
