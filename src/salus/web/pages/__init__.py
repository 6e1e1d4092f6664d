"""The pages of the kit itself: home, account, notifications, audit, accounts, health, about, errors."""
