# One image for every process; the command says which.

FROM python:3.13-slim AS build
RUN python -m venv /opt/venv
COPY requirements/base.txt /tmp/base.txt
RUN /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check \
    --require-hashes --only-binary :all: -r /tmp/base.txt
COPY . /opt/hiram
RUN /opt/venv/bin/python -m compileall -q /opt/hiram

FROM python:3.13-slim
RUN useradd --system --uid 10001 --no-create-home --home-dir /nonexistent hiram \
    && mkdir /metrics && chown hiram /metrics
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/hiram /opt/hiram
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HIRAM_ENV=production \
    HIRAM_HOME=/tmp/hiram \
    HIRAM_HOST=0.0.0.0 \
    HIRAM_OPS_HOST=0.0.0.0 \
    PROMETHEUS_MULTIPROC_DIR=/metrics
WORKDIR /opt/hiram
USER 10001
EXPOSE 3357 3359
# Alive, not ready: a database that is away is no reason to restart the web process.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["python", "-c", \
    "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('HIRAM_OPS_PORT', '3359') + '/healthz', timeout=4)"]
CMD ["python", "manage.py", "web"]
