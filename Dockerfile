# One image for web, worker and stand-in providers: `docker build -t siaran-cimahi .`
FROM python:3.11.13-slim-bookworm AS build
WORKDIR /source
COPY requirements.lock ./
# every package as the lock has it, by hash; which of them the program needs is said below
RUN pip download --no-cache-dir --disable-pip-version-check --no-deps --require-hashes -r requirements.lock -d /packages
COPY pyproject.toml README.md LICENSE ./
COPY broadcaster broadcaster
COPY channels channels
COPY subscribers subscribers
COPY templates templates
# pip's isolated builds would ask for packages that the lock does not have
RUN python -m venv /opt/siaran \
 && pip="/opt/siaran/bin/pip --disable-pip-version-check" \
 && $pip install --no-cache-dir --no-index --find-links /packages setuptools \
 && $pip install --no-cache-dir --no-index --find-links /packages --use-pep517 --no-build-isolation '.[postgres]' \
 && $pip uninstall --yes setuptools

FROM python:3.11.13-slim-bookworm
RUN useradd --system --uid 10112 --home-dir /data siaran && install -d -o siaran -g siaran -m 0700 /data
COPY --from=build /opt/siaran /opt/siaran
COPY --chmod=0755 .docker/broadcaster /usr/local/bin/broadcaster
# the wrapper comes first on the path, so that every way in runs under the same settings
ENV PATH=/usr/local/bin:/opt/siaran/bin:/usr/bin:/bin PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    BROADCASTER_DATA_DIR=/data BROADCASTER_HOST=0.0.0.0
USER siaran
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK NONE
CMD ["broadcaster", "web"]
