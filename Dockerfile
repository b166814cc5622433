# The program, built from source. The classic builder and BuildKit both take it.
FROM rust:1-slim-bookworm AS build
WORKDIR /src

# Dependencies in a layer of their own, with placeholders for what uses them: only a change of
# Cargo.toml or Cargo.lock builds them again.
COPY Cargo.toml Cargo.lock ./
RUN mkdir src \
 && echo 'fn main() {}' >src/main.rs \
 && touch src/lib.rs \
 && cargo build --release --locked

# The program shows its error pages.
COPY docs docs
COPY src src
# cargo goes by times, and the placeholders are younger than the sources may be.
RUN touch src/main.rs src/lib.rs && cargo build --release --locked

FROM debian:bookworm-slim
# Made before it becomes a volume, so that a new volume takes owner and mode from it. Whoever the
# container runs as may begin a store there; what it then makes belongs to that user alone.
RUN install -d -o 10001 -g 10001 -m 1777 /data
COPY LICENSE-APACHE LICENSE-MIT /usr/share/doc/oncelog/
COPY --from=build /src/target/release/oncelog /usr/local/bin/oncelog
# A number, so that an orchestrator sees that it is not root.
USER 10001:10001
ENV ONCELOG_DATA_DIR=/data ONCELOG_LISTEN=0.0.0.0:8080
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
# That it lives, not that it is ready: a store that waits for disk space must not be replaced.
HEALTHCHECK --interval=10s --timeout=6s --start-period=30s CMD ["oncelog", "health"]
ENTRYPOINT ["oncelog"]
CMD ["serve"]

# At the end, where it invalidates nothing. The version is the one in Cargo.toml.
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="oncelog" \
      org.opencontainers.image.description="An event store for one machine: at-least-once in, exactly-once kept" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.base.name="docker.io/library/debian:bookworm-slim" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
