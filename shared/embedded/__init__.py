"""The engines of the embedded platform: PostgreSQL, Apache Kafka and Envoy as supervised processes of one machine.

Nothing here knows a service; `deploy/local` composes these into the platform, `shared/testing` into test sessions.
"""
