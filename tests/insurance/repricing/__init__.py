"""Re-pricing of services: the engine on its own, its files and command, and the platform's price lists."""
