"""What only the style recipes share."""
