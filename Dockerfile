# Cupola in a container. Targets: `prod` (the program alone, default), `test` (everything that `make test` needs),
# `dev` (the tools, for a mounted source tree). See compose.yaml.

# The oldest versions that the manifests ask for are the ones that are tested.
ARG RUST_VERSION=1.95
ARG NODE_VERSION=22
ARG DEBIAN=bookworm

FROM node:${NODE_VERSION}-${DEBIAN}-slim AS node

# The page. Its layer changes only with the page.
FROM node AS web
WORKDIR /src/web
COPY web/package.json web/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY web/ ./
RUN npm run build

# What building and testing need, without any source.
FROM rust:${RUST_VERSION}-${DEBIAN} AS tools
RUN apt-get update \
    && apt-get install -y --no-install-recommends chromium python3 python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && rustup component add rustfmt clippy
COPY --from=node /usr/local/bin/node /usr/local/bin/node
COPY --from=node /usr/local/lib/node_modules /usr/local/lib/node_modules
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm \
    && ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx
ENV CARGO_TARGET_DIR=/var/cache/cupola/target
WORKDIR /src

# The source tree is mounted; the target folder is a volume.
FROM tools AS dev
EXPOSE 8080 4317 4318 2000/udp 2000/tcp
CMD ["make", "run"]

FROM tools AS test
COPY . .
CMD ["make", "test"]

FROM rust:${RUST_VERSION}-${DEBIAN} AS build
WORKDIR /src
COPY . .
COPY --from=web /src/web/dist web/dist
# The mounts keep what is compiled between builds; the program is copied out because mounts are not part of a layer.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/var/cache/cupola/target \
    CARGO_TARGET_DIR=/var/cache/cupola/target \
    cargo build --locked --workspace --features cupola/embed-web --profile dist \
    && install -D /var/cache/cupola/target/dist/cupola /out/cupola \
    && install -d -m 0750 /out/data

FROM debian:${DEBIAN}-slim AS prod
COPY --from=build /out/cupola /usr/local/bin/cupola
# A number, so that orchestrators can see that it is not root.
COPY --from=build --chown=10001:10001 /out/data /data
USER 10001:10001
ENV CUPOLA_DATA_DIR=/data
VOLUME /data
EXPOSE 8080 4317 4318 2000/udp 2000/tcp
STOPSIGNAL SIGTERM
# No client is installed; bash can open a connection itself.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /health/ready HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' >&3 && read -r line <&3 && [[ $line == *' 200 '* ]]"]
ENTRYPOINT ["cupola"]
CMD ["serve"]
