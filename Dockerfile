# An image of the program, built from this clone:
#
#     docker build -t wav2vec2 .                                  # or podman build --format docker -t wav2vec2 .
#     docker run --rm -v "$PWD":/work wav2vec2 transcribe --checkpoint tuned/best interview.flac
#
# Build arguments:
#
#     DEVICE=cuda     for NVIDIA GPUs (3 GB more to fetch); without it the image computes on the CPU
#     FFMPEG=yes      with ffmpeg, for MP4, M4A, WebM and other formats that libsndfile does not read (480 MB more)
#     VERSION=0.2.0   written into the image's labels
#     SWIFT, BASE     the images to build and to run on
#
# Packaging/Dockerfile makes the same image of a release archive, in a minute. Its last stage is equal to the one here.
ARG SWIFT=swift:6.3-bookworm
ARG BASE=debian:bookworm-slim

# --- Build -------------------------------------------------------------------------------------------------------

# hadolint ignore=DL3006
FROM ${SWIFT} AS program
ARG DEVICE=cpu
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
WORKDIR /source

# LibTorch first: a layer that stays while the source changes.
COPY Scripts/setup Scripts/libtorch.txt Scripts/libtorch-cuda.txt Scripts/
RUN Scripts/setup "--$DEVICE"

COPY . .
RUN make build && Scripts/install /opt/wav2vec2

# --- Run ---------------------------------------------------------------------------------------------------------

# hadolint ignore=DL3006
FROM ${BASE}
ARG FFMPEG=no
ARG VERSION=unknown

# What downloads load (libcurl, libarchive, certificates). The program's other libraries come with it.
# hadolint ignore=DL3008,SC2046
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libarchive13 libcurl4 $([ "$FFMPEG" = no ] || echo ffmpeg) \
    && apt-get clean \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/apt /var/log/dpkg.log \
    && groupadd --gid 10001 wav2vec2 \
    && useradd --uid 10001 --gid 10001 --home-dir /work --no-create-home --shell /usr/sbin/nologin wav2vec2 \
    && mkdir /cache /work \
    && chmod 1777 /cache

COPY --from=program /opt/wav2vec2 /opt/wav2vec2
COPY Packaging/container-health /usr/local/bin/

LABEL org.opencontainers.image.title="wav2vec2" \
    org.opencontainers.image.description="Train, fine-tune, evaluate and use wav2vec 2.0 speech models" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}"

ENV PATH=/opt/wav2vec2/bin:/usr/local/bin:/usr/bin:/bin \
    LANG=C.UTF-8 \
    TMPDIR=/tmp \
    XDG_CACHE_HOME=/cache

# The only folders that are written to besides outputs, so that the rest may be read-only. Uploads and audio that is
# decoded go to /tmp; downloads and compiled GPU kernels to /cache.
VOLUME ["/cache", "/tmp"]
WORKDIR /work
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=120s --retries=3 CMD ["container-health"]
ENTRYPOINT ["wav2vec2"]
CMD ["--help"]
