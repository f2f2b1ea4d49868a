"""Classes by name, and what kind of thing they are."""

import pytest

import models
from models.errors import ArchiveError
from models.weights import files
from recipes.common import classes

NAMES = ['goldfish, Carassius auratus', 'crane', 'tabby, tabby cat', 'crane, lifting machine']


@pytest.mark.parametrize('wanted, index', [
    ('0', 0), ('goldfish', 0), ('GOLDFISH', 0), ('Carassius auratus', 0), (NAMES[0], 0),
    (' tabby cat ', 2), ('lifting machine', 3), ('3', 3)])
def test_a_class_is_found_by_number_synonym_or_entry(wanted, index):
    assert classes.find_class(NAMES, wanted, 4) == index


@pytest.mark.parametrize('wanted, words', [
    ('4', ['numbered 0 to 3', 'no 4']), ('goldfis', ["did you mean 'goldfish'"]),
    ('machine', ["'lifting machine'"]), ('zzzz', ['a name of ImageNet or a number']),
    ('crane', ['names the classes 1 and 3', 'give the number'])])
def test_other_classes_are_told_what_there_is(wanted, words):
    with pytest.raises(ArchiveError) as problem:
        classes.find_class(NAMES, wanted, 4)
    assert all(word in str(problem.value) for word in words)


def test_without_names_only_numbers_are_known():
    assert classes.find_class(None, '7', 10) == 7
    assert classes.class_name(None, 7) == 'class 7'
    with pytest.raises(ArchiveError, match='names no classes.*0 to 9'):
        classes.find_class(None, 'dog', 10)


def test_imagenet_has_118_dogs():
    imagenet = [entry for _, entry in files.imagenet_classes()]
    assert len(imagenet) == 1000 and classes.class_name(imagenet, 0) == 'tench'
    kinds = dict(zip((classes.class_name(imagenet, index) for index in range(1000)),
                     classes.kinds_of(imagenet)))
    assert list(classes.kinds_of(imagenet)).count('dogs') == 118
    for name, kind in (('Chihuahua', 'dogs'), ('Mexican hairless', 'dogs'),
                       ('timber wolf', 'wolves and foxes'), ('tabby', 'cats'), ('cock', 'birds'),
                       ('great white shark', 'fish'), ('puffer', 'fish'),
                       ('zebra', 'other mammals'),
                       ('ladybug', 'insects'), ('tarantula', 'spiders and their kin'),
                       ('abacus', 'things'), ('pizza', 'food'), ('volcano', 'landscapes'),
                       ('scuba diver', 'people'), ('daisy', 'plants'), ('agaric', 'fungi'),
                       ('toilet tissue', 'things'), ('jellyfish', 'sea animals'),
                       ('axolotl', 'amphibians'), ('loggerhead', 'reptiles')):
        assert kinds[name] == kind, name


def test_every_class_of_the_embedded_network_has_a_kind():
    _, names, _ = models.load('vgg19_quarter', deepest='conv1_1')
    assert 'other' not in classes.kinds_of(names)
    assert classes.kinds_of(['a class of my own']) == ['other']
