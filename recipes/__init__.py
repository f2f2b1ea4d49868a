"""The article's experiments, one script a technique."""

import models  # noqa: F401  prepares Theano and Lasagne for what is imported from here
