"""The panels of the bench screen, one file each, and what they are made of."""
