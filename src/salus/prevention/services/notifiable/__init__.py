"""What can be done about notifiable disease: report, classify, follow contacts up, join outbreaks."""
