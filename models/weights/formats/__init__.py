"""Weight files of other frameworks, read without these frameworks and without running their code.

Each module reads one kind of file into `Contents`; what the numbers mean (order of axes and
colours, which layer is which) is for `models.weights.layouts` to say.
"""

from models.weights.formats.contents import Contents
from models.weights.formats.reading import read

__all__ = ['Contents', 'read']
