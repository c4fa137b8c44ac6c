FROM python:3.11-slim AS build
WORKDIR /source
# Exact versions with hashes; `make locks` renews them.
COPY locks/build.txt locks/image.txt locks/
RUN python -m venv --without-pip /opt/venv \
 && pip install --no-cache-dir --require-hashes -r locks/build.txt \
 && pip --python /opt/venv/bin/python install --no-cache-dir --require-hashes -r locks/image.txt
COPY LICENSE README.md pyproject.toml ./
COPY kafka_processor kafka_processor
# Installed, not run from its source: there it would make itself a new key in every container.
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir wheels . \
 && pip --python /opt/venv/bin/python install --no-cache-dir --no-deps wheels/*.whl

FROM python:3.11-slim AS runtime
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1
WORKDIR /app
USER 10001:10001

# The source of login events of docker-compose.yml; not part of the daemon's image.
FROM runtime AS generator
COPY --chown=10001:10001 dev/login*.py dev/
ENTRYPOINT ["python", "-m", "dev.login_generator"]

FROM runtime
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-m", "kafka_processor.heartbeat"]
ENTRYPOINT ["kafka-processor"]
