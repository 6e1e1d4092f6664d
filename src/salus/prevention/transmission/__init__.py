"""How a disease spreads: reporting delay, reproduction numbers, short forecasts and their scores."""
