"""The bootstrap wants to import it."""
