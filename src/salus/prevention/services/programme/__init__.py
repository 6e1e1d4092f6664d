"""What can be done in the health programme: register, give a service, try to reach, keep the file."""
