"""Bearer tokens and SMART App Launch: who is asking, and what the token lets them ask."""
