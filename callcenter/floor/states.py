"""What an agent is at. Pure."""
