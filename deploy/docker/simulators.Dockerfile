# syntax=docker/dockerfile:1
# The partners of `docker compose --profile demo`: mock-bank and the simulated mobile money operator. Never production.
FROM python:3.11.14-slim-bookworm
RUN useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin samaki
COPY requirements-runtime.lock deploy/docker/simulators.lock /build/
RUN pip install --no-cache-dir --require-hashes --only-binary=:all: \
    -r /build/requirements-runtime.lock -r /build/simulators.lock
WORKDIR /app
COPY deploy/__init__.py deploy/__init__.py
COPY deploy/simulators/ deploy/simulators/
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
