"""Intake: application, verification, decision with reasons, appeal; the proxy-means questionnaire."""
