# The image of nodes, of the operator and of the command line:
#   docker run IMAGE up · docker run IMAGE node --data /data … · docker run IMAGE operator
# Two stages: the first has compilers and all packages, the second what runs. BASE is any Debian 12; a release names it by
# digest.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
# A Node.js of the base, or Debian's, only bootstraps: Node 24 itself comes through npm, with its headers. A base that has
# certificates keeps them: the package would put its own in their place.
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      g++ librocksdb-dev libxxhash-dev make python3 \
      $(test -e /etc/ssl/certs/ca-certificates.crt || echo ca-certificates) \
      $(command -v npm >/dev/null || echo nodejs npm) \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/thermocline
# Only what npm needs, so that packages are installed again only when they change.
COPY package.json package-lock.json .npmrc ./
COPY protocol/package.json protocol/
COPY native/package.json native/
COPY node/package.json node/
COPY operator/package.json operator/
COPY client/package.json client/
COPY cli/package.json cli/
COPY checker/package.json checker/
COPY simulation/package.json simulation/
COPY e2e/package.json e2e/
COPY bench/package.json bench/
RUN npm ci --ignore-scripts --loglevel=error
COPY native native
COPY scripts/build-addon.sh scripts/
RUN sh scripts/build-addon.sh
# What builds is not what runs: compilers' packages, Node's headers and symbols, and what packages bring for people and
# browsers go. The addon is one file; its sources and objects stay behind.
RUN npm prune --omit=dev --ignore-scripts --loglevel=error \
 && rm -rf node_modules/node-linux-*/include node_modules/node-linux-*/share node_modules/node-linux-*/lib \
 && strip --strip-unneeded node_modules/node-linux-*/bin/node \
 && find node_modules -type f \( -name '*.map' -o -name '*.md' -o -name '*.d.ts' -o -name '*.d.cts' -o -name '*.d.mts' \) -delete \
 && mkdir addon \
 && cp native/build/Release/thermocline.node addon/ \
 && strip --strip-unneeded addon/thermocline.node

FROM ${BASE}
LABEL org.opencontainers.image.title="Thermocline" \
      org.opencontainers.image.description="A strongly consistent, hot/cold tiered store for time-ordered records" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends librocksdb7.8 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/apt /var/log/dpkg.log \
 && groupadd --system --gid 10001 thermocline \
 && useradd --system --uid 10001 --gid 10001 --home-dir /data --shell /usr/sbin/nologin thermocline \
 && install -d -o thermocline -g thermocline -m 0700 /data \
 && ln -s /opt/thermocline/thermocline /usr/local/bin/thermocline
WORKDIR /opt/thermocline
COPY --from=build /opt/thermocline/node_modules node_modules
RUN ln -s /opt/thermocline/node_modules/node-linux-*/bin/node /usr/local/bin/node
COPY package.json thermocline LICENSE ./
COPY protocol protocol
COPY native/package.json native/
COPY native/src/mod.ts native/src/
COPY --from=build /opt/thermocline/addon/thermocline.node native/build/Release/
COPY node/package.json node/
COPY node/src node/src
COPY operator/package.json operator/
COPY operator/src operator/src
COPY client/package.json client/
COPY client/src client/src
COPY cli cli
# Numbers, not names: Kubernetes checks runAsNonRoot by them.
USER 10001:10001
WORKDIR /data
VOLUME /data
# Data port and HTTP port of a node (docs/reference/ports.md), HTTP port of the operator. A node listens on 127.0.0.1 unless
# --listen and --http say otherwise.
EXPOSE 7400 7401 8080
ENTRYPOINT ["thermocline"]
CMD ["--help"]
