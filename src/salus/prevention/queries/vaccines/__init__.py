"""What can be asked of vaccines: stock, cold chain, adverse events, recalls."""
