"""The pages of the kit itself: home, account, notifications, audit, accounts, system health, about, errors."""
