"""What a bundle knows: its dimensions, its tags, and the tags it hears in a clip."""
