"""What several recipes share: pictures, losses, L-BFGS, figures, run folders, command lines."""
