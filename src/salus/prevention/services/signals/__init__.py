"""What is done with signals: detection is run, a signal is judged, a verdict taken back."""
