"""What the recipes of generators share: training, applying, strips, clusters, evaluation."""
