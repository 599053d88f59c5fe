"""The command `aivm`: one file a verb."""
