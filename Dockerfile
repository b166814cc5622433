# The program, built from source. The classic builder and BuildKit both take it.
FROM rust:1-slim-bookworm AS build
WORKDIR /src

# Dependencies in a layer of their own: a change of source does not build them again.
COPY Cargo.toml Cargo.lock ./
RUN mkdir -p src benches \
 && echo 'fn main() {}' | tee src/main.rs benches/load.rs >/dev/null \
 && touch src/lib.rs \
 && cargo build --release --locked \
 && rm -r src benches

COPY src src
COPY benches benches
COPY docs docs
COPY README.md ./
# cargo goes by times, and the placeholders are younger than the sources may be.
RUN touch src/main.rs src/lib.rs && cargo build --release --locked

FROM debian:bookworm-slim
LABEL org.opencontainers.image.title="oncelog" \
      org.opencontainers.image.description="An event store for one machine: at-least-once in, exactly-once kept" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
COPY --from=build /src/target/release/oncelog /usr/local/bin/oncelog
# Owned before it becomes a volume, so that a new volume is too.
RUN mkdir /data && chown 10001:10001 /data
USER 10001:10001
ENV ONCELOG_DATA_DIR=/data ONCELOG_LISTEN=0.0.0.0:8080
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=30s CMD ["oncelog", "health"]
ENTRYPOINT ["oncelog"]
CMD ["serve"]
