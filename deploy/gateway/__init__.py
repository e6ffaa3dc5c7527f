"""The gateway: one Envoy configuration, run from the wheel on one machine and from the official image when deployed."""
