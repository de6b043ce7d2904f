# Facet in containers: `serve` answers, `evaluate` measures a model, `train` makes one. See docs/containers.md.
#
# Every instruction is one that BuildKit and the classic builder both know. The classic builder also makes every stage
# above its target, so the large ones stand last.
ARG BASE=python:3.11-slim-bookworm

# Facet itself as a wheel, with locked build tools.
FROM ${BASE} AS package
WORKDIR /build
COPY locks/build.txt locks/
RUN python -m venv tools \
 && tools/bin/python -m pip install --no-cache-dir --no-deps --require-hashes -r locks/build.txt
COPY pyproject.toml README.md LICENSE NOTICE facet.py ./
COPY migrations migrations
COPY models models
COPY samples samples
COPY index index
COPY service service
COPY training training
RUN tools/bin/python -m pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir dist .

# What every image runs in. All of it may be mounted read-only but /data and /tmp.
FROM ${BASE} AS runtime
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Facet" \
      org.opencontainers.image.description="Search music by example, by tag, and by one dimension of the sound at a time" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# The first user of most Linux machines has the same number, so that folders of the host can be written to.
RUN groupadd --gid 1000 facet \
 && useradd --uid 1000 --gid 1000 --home-dir /data --no-create-home --shell /usr/sbin/nologin facet \
 && install -d -o 1000 -g 1000 /data
ENV PATH=/opt/facet/bin:${PATH} \
    HOME=/data \
    PYTHONUNBUFFERED=1 \
    FACET_DATA_DIR=/data
WORKDIR /data
VOLUME /data
USER 1000:1000
ENTRYPOINT ["facet"]

# What serving needs, and no pip. `SERVE_LOCK=postgres` adds the driver for PostgreSQL.
FROM ${BASE} AS serve-packages
ARG SERVE_LOCK=serving
COPY locks/${SERVE_LOCK}.txt /locks/
RUN python -m venv --without-pip /opt/facet \
 && python -m pip --python /opt/facet/bin/python install --no-cache-dir --no-deps --require-hashes \
      -r /locks/${SERVE_LOCK}.txt
COPY --from=package /build/dist /dist
RUN python -m pip --python /opt/facet/bin/python install --no-cache-dir --no-deps --no-index /dist/*.whl \
 && cd /opt/facet && ln -s lib/python3*/site-packages/models lib/python3*/site-packages/samples .

FROM runtime AS serve
COPY --from=serve-packages /opt/facet /opt/facet
COPY containers/is_ready.py /opt/facet/
# Inside a container this is its own network alone; what is published where is up to whoever runs it. Without a key, and
# without a word in FACET_ALLOW_ANONYMOUS, the service refuses to start.
ENV FACET_HOST=0.0.0.0 \
    FACET_PORT=8000
EXPOSE 8000
HEALTHCHECK --interval=5s --timeout=5s --start-period=120s --retries=3 \
  CMD ["python", "-I", "/opt/facet/is_ready.py"]
CMD ["serve"]

FROM ${BASE} AS evaluate-packages
COPY locks/evaluate.txt /locks/
RUN python -m venv --without-pip /opt/facet \
 && python -m pip --python /opt/facet/bin/python install --no-cache-dir --no-deps --require-hashes \
      -r /locks/evaluate.txt
COPY --from=package /build/dist /dist
RUN python -m pip --python /opt/facet/bin/python install --no-cache-dir --no-deps --no-index /dist/*.whl \
 && cd /opt/facet && ln -s lib/python3*/site-packages/models lib/python3*/site-packages/samples .

FROM runtime AS evaluate
COPY --from=evaluate-packages /opt/facet /opt/facet
CMD ["evaluate", "--help"]

FROM ${BASE} AS train-packages
COPY locks/training.txt /locks/
RUN python -m venv --without-pip /opt/facet \
 && python -m pip --python /opt/facet/bin/python install --no-cache-dir --no-deps --require-hashes \
      -r /locks/training.txt
COPY --from=package /build/dist /dist
RUN python -m pip --python /opt/facet/bin/python install --no-cache-dir --no-deps --no-index /dist/*.whl \
 && cd /opt/facet && ln -s lib/python3*/site-packages/models lib/python3*/site-packages/samples .

FROM runtime AS train
COPY --from=train-packages /opt/facet /opt/facet
CMD ["train", "--help"]
