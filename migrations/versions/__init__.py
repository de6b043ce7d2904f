"""The steps, oldest first. A step that was released is never changed: it does not import the tables, which are."""
