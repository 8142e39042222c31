FROM python:3.11-slim
WORKDIR /opt/opsconsole
COPY requirements/console.txt requirements/console.txt
RUN pip install --no-cache-dir --require-hashes -r requirements/console.txt
COPY . .
RUN pip install --no-cache-dir hatchling && pip install --no-cache-dir --no-deps --no-build-isolation . \
    && useradd --create-home --uid 1000 opsconsole && mkdir -p /var/lib/opsconsole && chown opsconsole /var/lib/opsconsole
USER opsconsole
WORKDIR /var/lib/opsconsole
VOLUME /var/lib/opsconsole
EXPOSE 8600/tcp 8125/udp
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8600/livez', timeout=4)"]
ENTRYPOINT ["opsconsole"]
CMD ["serve"]
