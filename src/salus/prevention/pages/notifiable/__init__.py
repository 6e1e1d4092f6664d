"""Pages of notifiable disease: cases, contacts, outbreaks, reporting, diseases."""
