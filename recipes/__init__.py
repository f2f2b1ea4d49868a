"""The article's experiments, one script a technique."""
