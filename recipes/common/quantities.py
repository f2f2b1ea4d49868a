"""Numbers as titles and lines in a terminal have them."""

SMALLEST = 1e-4  # of a probability that is written in digits


def probability(value):
    """Write a probability with two digits, or with the first that is not zero: 0.05, 0.003."""
    if value < SMALLEST:
        return f'<{SMALLEST:.4f}'
    return f'{value:.2f}' if value >= 0.01 else f'{value:.1g}'


def short(value):
    """Write a number in three figures or its whole part, without an exponent: 0.123, 45,910."""
    return f'{value:,.0f}' if abs(value) >= 100 else f'{value:.3g}'
