"""Finding people: by any number, by name in either script, by phone, within the area, each look recorded."""
