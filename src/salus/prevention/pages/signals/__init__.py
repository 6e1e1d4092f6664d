"""The pages of signals, of detectors and of the epidemic curve."""
