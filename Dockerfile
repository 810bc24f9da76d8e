# The image of a node and of the command line: docker run IMAGE up, docker run IMAGE node --data /data …
# Two stages: the first has compilers and all packages, the second what runs.

FROM debian:bookworm-slim AS build
# Debian's Node.js only bootstraps: Node 24 itself comes through npm, with its headers.
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      ca-certificates g++ librocksdb-dev libxxhash-dev make nodejs npm python3 \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/thermocline
# Only what npm needs, so that packages are installed again only when they change.
COPY package.json package-lock.json .npmrc ./
COPY protocol/package.json protocol/
COPY native/package.json native/
COPY node/package.json node/
COPY client/package.json client/
COPY cli/package.json cli/
COPY checker/package.json checker/
COPY e2e/package.json e2e/
COPY bench/package.json bench/
RUN npm ci --ignore-scripts --loglevel=error
COPY native native
COPY scripts/build-addon.sh scripts/
RUN sh scripts/build-addon.sh
# What builds is not what runs: compilers' packages and Node's headers go. The addon is one file; its sources and objects
# stay behind.
RUN npm prune --omit=dev --ignore-scripts --loglevel=error \
 && rm -rf node_modules/node-linux-*/include node_modules/node-linux-*/share \
 && mkdir addon \
 && cp native/build/Release/thermocline.node addon/

FROM debian:bookworm-slim
LABEL org.opencontainers.image.title="Thermocline" \
      org.opencontainers.image.description="A strongly consistent, hot/cold tiered store for time-ordered records" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends librocksdb7.8 \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --system --gid 10001 thermocline \
 && useradd --system --uid 10001 --gid 10001 --home-dir /data --shell /usr/sbin/nologin thermocline \
 && install -d -o thermocline -g thermocline -m 0700 /data \
 && ln -s /opt/thermocline/thermocline /usr/local/bin/thermocline
WORKDIR /opt/thermocline
COPY --from=build /opt/thermocline/node_modules node_modules
COPY package.json thermocline LICENSE ./
COPY protocol protocol
COPY native/package.json native/
COPY native/src/mod.ts native/src/
COPY --from=build /opt/thermocline/addon/thermocline.node native/build/Release/
COPY node/package.json node/
COPY node/src node/src
COPY client/package.json client/
COPY client/src client/src
COPY cli cli
# Numbers, not names: Kubernetes checks runAsNonRoot by them.
USER 10001:10001
WORKDIR /data
VOLUME /data
# Data port and HTTP port; docs/reference/ports.md. A node listens on 127.0.0.1 unless --listen and --http say otherwise.
EXPOSE 7400 7401
ENTRYPOINT ["thermocline"]
CMD ["--help"]
