# All images of Farandole, each a target of its own: the services, the console, the tool `farandole` and
# the demo.
#
#   docker build --target order --tag farandole/order .
#
# Nothing here is of one processor alone: it builds on, and for, amd64 and arm64.

FROM rust:1.95-slim-trixie AS toolchain
# librdkafka and mimalloc are compiled in; they are C and C++.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ make \
    && rm -rf /var/lib/apt/lists/*
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    cargo install cargo-chef --version 0.1.73 --locked
# Backtraces name functions; lines would make each program several times as large.
ENV CARGO_PROFILE_RELEASE_DEBUG=none
WORKDIR /farandole

FROM toolchain AS plan
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

FROM toolchain AS build
# rendered by make render: programs
ENV PROGRAMS="--package order \
    --package inventory \
    --package payment \
    --package shipping \
    --package notification \
    --package farandole \
    --package farandole-console \
    --package farandole-demo"
# end of what is rendered
COPY --from=plan /farandole/recipe.json .
# What others wrote, in a layer of its own: it is built again when Cargo.toml or Cargo.lock change.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    cargo chef cook --release --locked --bins $PROGRAMS --recipe-path recipe.json
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    cargo build --release --locked --bins $PROGRAMS

# glibc, libgcc and certificates; no shell, no package manager. The user is nobody in particular.
FROM gcr.io/distroless/cc-debian13:nonroot AS program
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.version=$VERSION \
      org.opencontainers.image.revision=$REVISION \
      org.opencontainers.image.created=$CREATED \
      org.opencontainers.image.vendor="Farandole" \
      org.opencontainers.image.licenses="Apache-2.0 OR MIT" \
      org.opencontainers.image.base.name="gcr.io/distroless/cc-debian13:nonroot"
# In milliseconds: after a burst, memory goes back that soon, and not after a second.
ENV MIMALLOC_PURGE_DELAY=50
# By number, so that Kubernetes can tell that it is not root.
USER 65532:65532

# rendered by make render: services
FROM program AS order
LABEL org.opencontainers.image.title="farandole/order" \
      org.opencontainers.image.description="Takes orders, decides their fate, keeps the catalogue"
COPY --from=build /farandole/target/release/order /usr/local/bin/
ENV HTTP_ADDR=0.0.0.0:8081
EXPOSE 8081
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s CMD ["order", "health"]
ENTRYPOINT ["order"]

FROM program AS inventory
LABEL org.opencontainers.image.title="farandole/inventory" \
      org.opencontainers.image.description="Reserves all lines of an order or none, releases, ships"
COPY --from=build /farandole/target/release/inventory /usr/local/bin/
ENV HTTP_ADDR=0.0.0.0:8082
EXPOSE 8082
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s CMD ["inventory", "health"]
ENTRYPOINT ["inventory"]

FROM program AS payment
LABEL org.opencontainers.image.title="farandole/payment" \
      org.opencontainers.image.description="Charges, refunds (a simulated provider)"
COPY --from=build /farandole/target/release/payment /usr/local/bin/
ENV HTTP_ADDR=0.0.0.0:8083
EXPOSE 8083
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s CMD ["payment", "health"]
ENTRYPOINT ["payment"]

FROM program AS shipping
LABEL org.opencontainers.image.title="farandole/shipping" \
      org.opencontainers.image.description="Books the parcel (a simulated carrier)"
COPY --from=build /farandole/target/release/shipping /usr/local/bin/
ENV HTTP_ADDR=0.0.0.0:8084
EXPOSE 8084
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s CMD ["shipping", "health"]
ENTRYPOINT ["shipping"]

FROM program AS notification
LABEL org.opencontainers.image.title="farandole/notification" \
      org.opencontainers.image.description="Mails the customer (a simulated mail server)"
COPY --from=build /farandole/target/release/notification /usr/local/bin/
ENV HTTP_ADDR=0.0.0.0:8085
EXPOSE 8085
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s CMD ["notification", "health"]
ENTRYPOINT ["notification"]
# end of what is rendered

# Whom it may answer is to be said: CONSOLE_USER_HEADER and CONSOLE_PROXIES.
FROM program AS console
LABEL org.opencontainers.image.title="farandole/console" \
      org.opencontainers.image.description="Shows the fleet in a browser: whose move it is, and what to do"
COPY --from=build /farandole/target/release/farandole-console /usr/local/bin/
ENV CONSOLE_ADDR=0.0.0.0:8080
EXPOSE 8080
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s CMD ["farandole-console", "health"]
ENTRYPOINT ["farandole-console"]

FROM program AS farandole
LABEL org.opencontainers.image.title="farandole/farandole" \
      org.opencontainers.image.description="Registers schemas, creates topics, sees to dead letters"
COPY --from=build /farandole/target/release/farandole /usr/local/bin/
ENTRYPOINT ["farandole"]

FROM program AS demo
LABEL org.opencontainers.image.title="farandole/demo" \
      org.opencontainers.image.description="Plays every way an order can go on a fleet that runs"
COPY --from=build /farandole/target/release/farandole-demo /usr/local/bin/
ENTRYPOINT ["farandole-demo", "--attach"]
