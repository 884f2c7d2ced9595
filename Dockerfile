# An image of the server alone: PostgreSQL is elsewhere, and CIRRUS_DATABASE_URL says where.
#
#     docker build --tag cirrus .
#     docker run --publish 127.0.0.1:8082:8082 --env CIRRUS_DATABASE_URL=postgresql://... --env CIRRUS_OPEN=true cirrus
#
# CIRRUS_OPEN: whoever reaches the port may do everything. Instead of it, for holders of tokens only (docs/access.md):
#
#     ... --volume ./access:/etc/cirrus:ro --env CIRRUS_AAA_MODE=rbac --env CIRRUS_TOKEN_FILE=/etc/cirrus/tokens.toml cirrus
#
# The tools are in it, too: docker run --rm cirrus watch --server ...

# Both stages are of one Debian release, so that the program finds the C library that it was linked with.
FROM rust:1-bookworm AS build
WORKDIR /build
# What `cirrus --version` says beside the number: docker build --build-arg CIRRUS_COMMIT=$(git rev-parse --short=12 HEAD)
ARG CIRRUS_COMMIT
# schema/, migrations/ and rules/ are built into the program. The benches and tests are not, but Cargo.toml names them, and
# cargo builds nothing when these files are missing.
COPY Cargo.toml Cargo.lock build.rs ./
COPY benches benches
COPY tests/main.rs tests/main.rs
COPY migrations migrations
COPY rules rules
COPY schema schema
COPY src src
# The caches outlive the layers: after an edit only Cirrus itself is compiled. Cargo goes by times of files, and those of an
# unpacked archive may be older than what is in the cache; the touch makes sure that the list of rules is read, and Cirrus
# compiled, anew. A cache is no part of the image, so the program is copied out of it.
RUN --mount=type=cache,id=cirrus-registry,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,id=cirrus-target,target=/build/target,sharing=locked \
    touch build.rs src/main.rs && \
    cargo build --release --locked && \
    cp target/release/cirrus /usr/local/bin/cirrus

FROM debian:bookworm-slim
LABEL org.opencontainers.image.title="Cirrus" \
      org.opencontainers.image.description="A configuration API server for OpenContrail, Tungsten Fabric and OpenSDN on PostgreSQL" \
      org.opencontainers.image.licenses="Apache-2.0"
# curl asks for the health. The certificates are for connections to a database with sslmode=verify-full and
# sslrootcert=/etc/ssl/certs/ca-certificates.crt.
RUN apt-get update && \
    apt-get install --yes --no-install-recommends ca-certificates curl && \
    rm -rf /var/lib/apt/lists/*
# A fixed number, so that rules about users (runAsNonRoot, owners of mounted files) can name it; with a home, so that a
# server without a database says just that.
RUN groupadd --gid 10001 cirrus && \
    useradd --uid 10001 --gid 10001 --create-home --shell /usr/sbin/nologin cirrus
COPY LICENSE /usr/share/doc/cirrus/copyright
COPY --from=build /usr/local/bin/cirrus /usr/local/bin/cirrus
USER 10001:10001
WORKDIR /home/cirrus
# Inside a container loopback is reached by nobody. The server does not start there before it is said who may do what
# (CIRRUS_AAA_MODE), or that everybody may do everything (CIRRUS_OPEN).
ENV CIRRUS_LISTEN=0.0.0.0:8082
EXPOSE 8082
# With another port in CIRRUS_LISTEN, or certificates of clients, this needs another one, too. A server that waits for its database, or loads a large one,
# is starting, not ill.
HEALTHCHECK --interval=5s --timeout=5s --start-period=120s --retries=6 \
    CMD set -f; ask='curl --fail --silent --show-error --noproxy * --output /dev/null --insecure'; \
        $ask http://127.0.0.1:8082/readyz || $ask https://127.0.0.1:8082/readyz
# It answers what it has accepted, then it ends.
STOPSIGNAL SIGTERM
ENTRYPOINT ["cirrus"]
CMD ["serve"]
