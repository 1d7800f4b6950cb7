"""The floor: agents at work, what each is on, and what they may order of the phones."""
