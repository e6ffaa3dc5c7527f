"""What payments knows by event: enrolments, entitlements, closed cycles and holds."""
