"""Life events: birth, death, marriage, move, pregnancy; told by officers and civil registration; late or undone."""
