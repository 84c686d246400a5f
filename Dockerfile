# The image of regsync: one static binary, the authorities it trusts, and nothing else.
#
#     docker build -t regsync .
#     docker run --rm -v "$PWD:/work" regsync plan
#
# What is compiled is named by Cargo.lock; after `cargo fetch` nothing is read from the network. Both images can be
# named otherwise, by digest for example: --build-arg BUILD_IMAGE=… .
ARG BUILD_IMAGE=docker.io/library/rust:1-alpine

FROM ${BUILD_IMAGE} AS build
ENV CARGO_TERM_COLOR=never \
    CARGO_NET_RETRY=10
WORKDIR /src
COPY Cargo.toml Cargo.lock build.rs ./
COPY benches benches
COPY src src
COPY schema schema
RUN cargo fetch --locked
ARG PROFILE=dist
# What to build for where the build image's own target makes no static binary, as Alpine's does.
ARG TARGET=
# There is no .git to ask for it.
ARG REVISION=
RUN env ${REVISION:+REGSYNC_COMMIT="$REVISION"} cargo build --locked --offline --profile "$PROFILE" ${TARGET:+--target "$TARGET"} --bin regsync \
 && mkdir -p /out/work /out/etc/ssl/certs /out/tmp \
 && case $PROFILE in dev) directory=debug ;; *) directory=$PROFILE ;; esac \
 && cp "target/${TARGET:+$TARGET/}$directory/regsync" /out/regsync \
 && cp /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/ \
 && chmod 1777 /out/tmp

FROM scratch
ARG VERSION=unreleased
ARG REVISION=unknown
LABEL org.opencontainers.image.title="regsync" \
      org.opencontainers.image.description="Plan and apply for container image mirrors" \
      org.opencontainers.image.source="https://github.com/org/regsync-action" \
      org.opencontainers.image.documentation="https://github.com/org/regsync-action#readme" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /out/ /
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
# Nobody: without a name, since there is no /etc/passwd. Mounted directories must be readable for it, and writable
# where a layout or a report is written.
USER 65532:65532
WORKDIR /work
ENTRYPOINT ["/regsync"]
