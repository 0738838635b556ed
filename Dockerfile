# docker build -t recording-gateway .            (--build-arg EXTRAS=… for other extras)
# docker run -v gateway-data:/data -v ./gateway.yaml:/etc/gateway/gateway.yaml:ro -p 8080:8080 recording-gateway
ARG PYTHON_VERSION=3.13

FROM python:${PYTHON_VERSION}-slim AS build
ARG EXTRAS=postgres,chat,email,database
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY gateway gateway
COPY plugins plugins
RUN python -m venv /opt/gateway \
 && /opt/gateway/bin/pip install --no-cache-dir --constraint constraints.txt ".[${EXTRAS}]" \
 && /opt/gateway/bin/pip uninstall --yes pip \
 && find /opt/gateway -name '__pycache__' -prune -exec rm -rf {} + \
 && /opt/gateway/bin/python -m compileall -q /opt/gateway/lib

FROM python:${PYTHON_VERSION}-slim
LABEL org.opencontainers.image.title="Recording Gateway" \
      org.opencontainers.image.licenses="MIT"
RUN groupadd --gid 10001 gateway \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin gateway \
 && install --directory --owner=10001 --group=10001 --mode=0700 /data \
 && install --directory /etc/gateway
COPY --from=build /opt/gateway /opt/gateway
# The network decides who reaches the two ports: publish 8080, keep 9090 inside.
ENV PATH=/opt/gateway/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    GATEWAY_CONFIG=/etc/gateway/gateway.yaml \
    GATEWAY_SERVER_HOST=0.0.0.0 \
    GATEWAY_ADMIN_HOST=0.0.0.0 \
    GATEWAY_STORE=sqlite:////data/gateway.db
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8080 9090
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=40s CMD ["gateway", "health"]
ENTRYPOINT ["gateway"]
CMD ["serve"]
