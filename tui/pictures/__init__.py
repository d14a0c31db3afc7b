"""Pictures in the terminal: what it is asked, what is sent to it. Nothing here writes."""
