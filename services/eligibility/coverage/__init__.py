"""The entitlement check: is this card holder covered today? Read at the point of service."""
