# The image of regsync: one static binary, the authorities it trusts, and nothing else.
#
#     docker build -t regsync .
#     docker run --rm -v "$PWD:/work" regsync plan
#
# What is compiled is named by Cargo.lock; after `cargo fetch` nothing is read from the network. The image that compiles can
# be named otherwise, by digest for example: --build-arg BUILD_IMAGE=… . It is not pinned here, since nothing that is
# released comes from it: a release has the binary that is released beside it, from roots that `.ci/root` has made,
# DIRECTORY/amd64 and DIRECTORY/arm64. No program is run to build that, and no other image used:
#
#     docker build --target released --build-context binaries=DIRECTORY .
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

FROM scratch AS empty
ARG VERSION=unreleased
ARG REVISION=unknown
LABEL org.opencontainers.image.title="regsync" \
      org.opencontainers.image.description="Plan and apply for container image mirrors" \
      org.opencontainers.image.source="https://github.com/org/regsync-action" \
      org.opencontainers.image.documentation="https://github.com/org/regsync-action#readme" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
# Nobody: without a name, since there is no /etc/passwd. Mounted directories must be readable for it, and writable
# where a layout or a report is written.
WORKDIR /work
USER 65532:65532
ENTRYPOINT ["/regsync"]

FROM empty AS released
ARG TARGETARCH
COPY --from=binaries ${TARGETARCH}/ /

FROM empty
COPY --from=build /out/ /
