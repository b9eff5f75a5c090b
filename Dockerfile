# syntax=docker/dockerfile:1
# orchestrator, built from source; the image holds the program and the system's
# libraries that it links to.

FROM rust:1.95-bookworm AS builder
RUN apt-get update \
    && apt-get install -y --no-install-recommends build-essential pkg-config libssl-dev zlib1g-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
# What is copied is listed in .dockerignore.
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    cargo build --release --locked --bin orchestrator \
    && install -D target/release/orchestrator /out/orchestrator

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends libssl3 zlib1g ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --system --gid 10001 orchestrator \
    && useradd --system --uid 10001 --gid orchestrator --create-home --home-dir /var/lib/orchestrator orchestrator
COPY --from=builder /out/orchestrator /usr/local/bin/orchestrator
COPY --from=builder /source/examples /usr/share/orchestrator/examples
COPY --from=builder /source/LICENSE /usr/share/doc/orchestrator/LICENSE
# By number: a cluster that allows no root has to see that this is not root.
USER 10001:10001
WORKDIR /var/lib/orchestrator
# A container's loopback interface can't be reached from outside of it. No HEALTHCHECK
# here: `worker` and `init` are the same image, and docker-compose.yml has that of `serve`.
ENV ORCHESTRATOR_HTTP_ADDRESS=0.0.0.0:7080
EXPOSE 7080
ENTRYPOINT ["orchestrator"]
CMD ["serve"]
