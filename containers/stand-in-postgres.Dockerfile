# PostgreSQL of Debian's packages, for `containers/check` on a machine that cannot have the official image. It knows
# what docker-compose.yml asks of that one: POSTGRES_USER, POSTGRES_DB, POSTGRES_PASSWORD. Not for keeping anything in.
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE}
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql \
 && rm -rf /var/lib/apt/lists/* \
 && ln -s /usr/lib/postgresql/*/bin/* /usr/local/bin/ 2>/dev/null || true
RUN install -d -o postgres -g postgres /var/lib/postgresql/data
COPY stand-in-postgres /usr/local/bin/
VOLUME /var/lib/postgresql/data
USER postgres
STOPSIGNAL SIGINT
ENTRYPOINT ["stand-in-postgres"]
