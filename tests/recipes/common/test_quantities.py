"""Numbers in titles have enough digits and no exponents."""

import pytest

from recipes.common import quantities


@pytest.mark.parametrize('value, words', [
    (1, '1.00'), (0.854, '0.85'), (0.05, '0.05'), (0.0104, '0.01'), (0.00999, '0.01'),
    (0.0031, '0.003'), (0.00042, '0.0004'), (1e-4, '0.0001'), (9e-5, '<0.0001'), (0, '<0.0001')])
def test_probabilities_are_never_told_as_none(value, words):
    assert quantities.probability(value) == words


def test_numbers_have_no_exponents():
    assert [quantities.short(value) for value in (45910.4, 123.4, 4.567, 0.01234)] == [
        '45,910', '123', '4.57', '0.0123']
