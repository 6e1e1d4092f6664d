"""What is known of counts, signals and detectors, for these pages and for other rooms."""
