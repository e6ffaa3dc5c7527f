"""What eligibility told of its decisions: reasons, rule versions and facts, to stand beside a complaint."""
