"""Classes by name, and what kind of thing they are."""

import models
from models.errors import ArchiveError
from models.weights import files

import pytest

from recipes.common import class_names

NAMES = ['goldfish, Carassius auratus', 'crane', 'tabby, tabby cat', 'crane, lifting machine']


@pytest.mark.parametrize('wanted, index', [
    ('0', 0), ('goldfish', 0), ('GOLDFISH', 0), ('Carassius auratus', 0), (NAMES[0], 0),
    (' tabby cat ', 2), ('lifting machine', 3), ('3', 3)])
def test_a_class_is_found_by_number_synonym_or_entry(wanted, index):
    assert class_names.find_class(NAMES, wanted, 4) == index


@pytest.mark.parametrize('wanted, words', [
    ('4', ['numbered 0 to 3', 'no class 4']), ('goldfis', ["did you mean 'goldfish'"]),
    ('machine', ["'lifting machine'"]), ('zzzz', ['a name or a number']),
    ('crane', ['names the classes 1 and 3', 'give the number', 'classes squeezenet crane'])])
def test_other_classes_are_told_what_there_is(wanted, words):
    with pytest.raises(ArchiveError) as problem:
        class_names.find_class(NAMES, wanted, 4, 'squeezenet')
    assert all(word in str(problem.value) for word in [*words, 'python -m models classes'])


IMAGENET = [entry for _, entry in files.imagenet_classes()]


@pytest.mark.parametrize('wanted, words', [
    ('snake', ['thunder snake', 'python -m models classes squeezenet snake lists them']),
    ('dog', ['121 classes', 'Chihuahua', 'python -m models classes squeezenet dog lists them']),
    ('retriev', ['retriever', 'squeezenet retriev lists them']),
    ('red fo', ["'red fox'"]), ('sports cra', ["'sports car'"])])
def test_classes_are_suggested_by_words_before_spelling(wanted, words):
    with pytest.raises(ArchiveError) as problem:
        class_names.find_class(IMAGENET, wanted, 1000, 'squeezenet')
    assert all(word in str(problem.value) for word in words), str(problem.value)
    assert 'snorkel' not in str(problem.value) and '\n' not in str(problem.value)


def test_the_command_that_lists_takes_the_weights_of_the_run():
    with pytest.raises(ArchiveError, match="classes all_cnn_c 'a b' --weights 'my file.npz' lists"):
        class_names.find_class(['a b c', 'b, a', 'a b d', 'b a'], 'a b', 4, 'all_cnn_c',
                               'my file.npz')


def test_a_search_finds_words_kinds_and_ends_of_words():
    def found(text):
        return [class_names.class_name(IMAGENET, index)
                for index in class_names.search(IMAGENET, text)]

    assert found('snakes') == found('SNAKE') and 'sidewinder' in found('snake')  # a rattlesnake
    assert len(found('dogs')) > 118 and 'papillon' in found('dogs')
    assert found('king')[:2] == ['king snake', 'king crab'] and 'walking stick' in found('king')
    assert found('king penguin') == ['king penguin']
    assert 'African elephant' not in found('ant')
    assert found('goldf') == ['goldfish', 'goldfinch'] and found('qqq') == found(' ,') == []


def test_without_names_only_numbers_are_known():
    assert class_names.find_class(None, '7', 10) == 7
    assert class_names.class_name(None, 7) == 'class 7'
    with pytest.raises(ArchiveError, match='names no classes.*0 to 9'):
        class_names.find_class(None, 'dog', 10)


def test_imagenet_has_118_dogs():
    imagenet = [entry for _, entry in files.imagenet_classes()]
    assert len(imagenet) == 1000 and class_names.class_name(imagenet, 0) == 'tench'
    kinds = dict(zip((class_names.class_name(imagenet, index) for index in range(1000)),
                     class_names.kinds_of(imagenet)))
    assert list(class_names.kinds_of(imagenet)).count('dogs') == 118
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
    assert 'other' not in class_names.kinds_of(names)
    assert class_names.kinds_of(['a class of my own']) == ['other']


def test_kinds_are_known_by_any_way_of_writing_a_synset():
    entries = [entry for _, entry in files.imagenet_classes()]
    kinds = class_names.kinds_of(entries)
    assert kinds.count('dogs') == 118 and 'other' not in kinds
    assert [kinds[index] for index in (134, 517)] == ['birds', 'things']  # both are cranes
    assert class_names.kinds_of(['n02085620', 'n02085620 Chihuahua', 'n02085620_Chihuahua',
                             'Chihuahua', 'goldfish', 'tin opener', 'thing 3']) == [
        'dogs', 'dogs', 'dogs', 'dogs', 'fish', 'things', 'other']
    assert class_names.search(['n02085620', 'n01443537', 'n02088094'], 'dog') == [0, 2]
