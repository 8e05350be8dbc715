# One image for web, worker and stand-in providers: `docker build -t siaran-cimahi .`
FROM python:3.11.13-slim-bookworm AS build
WORKDIR /source
COPY requirements.lock ./
# the versions of the lock, without the tools that only tests need
RUN sed -e '/--hash/d' -e 's/ *\\$//' requirements.lock > versions.txt \
 && python -m venv /opt/siaran
COPY pyproject.toml README.md LICENSE ./
COPY broadcaster broadcaster
COPY channels channels
COPY subscribers subscribers
COPY templates templates
RUN /opt/siaran/bin/pip install --no-cache-dir --disable-pip-version-check -c versions.txt '.[postgres]'

FROM python:3.11.13-slim-bookworm
RUN useradd --system --uid 10112 --home-dir /data siaran && install -d -o siaran -g siaran -m 0700 /data
COPY --from=build /opt/siaran /opt/siaran
ENV PATH=/opt/siaran/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 BROADCASTER_DATA_DIR=/data BROADCASTER_HOST=0.0.0.0
COPY --chmod=0755 .docker/start /usr/local/bin/start
USER siaran
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK NONE
ENTRYPOINT ["start"]
CMD ["broadcaster", "web"]
