#!/bin/sh
# Installs from Debian what the tests need and this machine lacks. Says nothing where all is there.
set -eu
missing=""
need() { command -v "$1" >/dev/null 2>&1 || missing="$missing $2"; }
need chromium chromium
need promtool prometheus
need prometheus-alertmanager prometheus-alertmanager
need amtool prometheus-alertmanager
need victoria-metrics victoria-metrics
need docker-compose docker-compose
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
[ -z "$missing" ] && exit 0
echo "Installing from Debian:$missing"
as_root=""
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null 2>&1 || { echo "Not root and no sudo: install these packages, then run make again:$missing" >&2; exit 1; }
  as_root="sudo"
fi
$as_root apt-get update -qq
# Debian starts what it installs; the tests start their own, so a service that cannot start here is no failure.
$as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends $missing >/dev/null
