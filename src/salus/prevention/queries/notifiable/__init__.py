"""What can be asked of notifiable disease: cases, owed reports, contacts, outbreaks, counts."""
