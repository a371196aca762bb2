# Parts that the scripts share; sourced, not run.
# shellcheck shell=bash

root=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
program=$(basename -- "$0")
[[ $program == webhook-calls-* ]] || program=scripts/$program # its name where it is installed

say() { printf '%s\n' "$@"; }

warn() { printf '%s: %s\n' "$program" "$*" >&2; }

die() {
  warn "$*"
  exit 1
}

# A fault in how the script was called.
usage_error() {
  warn "$* ($program --help tells more)"
  exit 2
}

# option_value VARIABLE "$@": the value of the option that comes first of the arguments. An empty one is a variable that was
# not set, and must not be taken for "not given".
option_value() {
  [[ $# -ge 3 && -n $3 ]] || usage_error "$2 needs a value."
  printf -v "$1" '%s' "$3"
}

# The folder of a running or stopped service, absolute.
state_folder() {
  local state=${WEBHOOK_CALLS_STATE:-$root/var}
  [[ $state == /* ]] || state=$PWD/$state
  printf '%s' "${state%/}"
}

# The folder of the settings and passwords: what scripts/run keeps, or that of the installation which this script is part of.
settings_folder() {
  local prefix=${root%/share/webhook-calls}
  case $prefix in
    "$root") printf '%s/secrets' "$(state_folder)" ;;
    /usr | /usr/local) printf '/etc/webhook-calls' ;;
    *) printf '%s/etc/webhook-calls' "$prefix" ;;
  esac
}

settings=$(settings_folder)
# shellcheck disable=SC2034 # for the scripts
database=${WEBHOOK_CALLS_DB_NAME:-$(sed -n 's/^WEBHOOK_CALLS_DB_NAME=//p' "$settings/webhook-calls.conf" 2>/dev/null || true)}
database=${database:-webhook_calls}

# write_file FILE: its standard input, whole or not at all.
write_file() {
  cat >"$1.new"
  mv -- "$1.new" "$1"
}

# A whole number from 1 to what BIGINT UNSIGNED holds, as far as the number of digits tells.
is_id() { [[ $1 =~ ^[1-9][0-9]{0,19}$ ]]; }

hex_of_file() { od -An -v -tx1 -- "$1" | tr -d ' \n'; }

# A text as an SQL literal. Hexadecimal: there is nothing to escape, whatever the text holds.
sql_text() { printf "CONVERT(x'%s' USING utf8mb4)" "$(printf '%s' "$1" | od -An -v -tx1 | tr -d ' \n')"; }

# Sets client_options: how the database client connects as ROLE. That is by the option file that was named, else by the one
# among the settings, else as the client's own configuration says.
connect_as() {
  local role=$1 option_file=$2
  if [[ -z $option_file ]]; then
    option_file=$settings/$role.cnf
    [[ -e $option_file ]] || option_file=
  fi
  [[ -z $option_file || -r $option_file ]] || die "The option file $option_file cannot be read."
  client_options=()
  [[ -z $option_file ]] || client_options+=("--defaults-file=$option_file")
  client_options+=(--default-character-set=utf8mb4 --max-allowed-packet=1G --batch --raw --skip-column-names --skip-reconnect)
}

# Sets client: the database client's program.
find_client() {
  client=mariadb
  command -v mariadb >/dev/null || client=mysql
  command -v "$client" >/dev/null || die "There is no database client here: install mariadb-client-core (or mysql-client)."
}

# The database client, with SQL on its standard input.
sql() {
  local client
  find_client
  "$client" "${client_options[@]}" "$@"
}

# TABLE or VIEW; nothing where the database has no webhooks. A platform that has its webhooks already makes ours a view over them.
kind_of_webhooks() {
  sql "$database" <<'SQL'
SELECT IF(table_type = 'VIEW', 'VIEW', 'TABLE') FROM information_schema.tables
 WHERE table_schema = DATABASE() AND table_name = 'webhooks';
SQL
}

# The files that are shell, relative to the project's root.
shell_scripts() { (cd -- "$root" && grep --directories=skip -lE '^#!.*(ba)?sh$|^# shellcheck shell=' -- scripts/* scripts/{debian,man}/* .ci/*); }

# build_tests NAME OPTION...: configures and builds var/build/NAME with its tests; the words are only shown where it fails.
build_tests() {
  local folder=$root/var/build/$1 log=$root/var/build/$1.log lock=$root/var/build/$1.lock
  mkdir -p -- "$root/var/build"
  # Locked, because another script may be building in the same folder; scripts/run's is the one called release.
  [[ $1 != release ]] || lock=$root/var/build.lock
  shift
  # shellcheck disable=SC2016 # for the inner shell
  flock -- "$lock" bash -c '
    cmake -S "$1" -B "$2" -DBUILD_TESTING=ON -DWEBHOOK_CALLS_WERROR=ON "${@:3}" && cmake --build "$2" --parallel "$(nproc)"' \
    - "$root" "$folder" "$@" >"$log" 2>&1 && return
  tail -n 60 -- "$log"
  return 1
}

build_fuzzers() {
  build_tests fuzz -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_CXX_COMPILER=clang++-14 -DWEBHOOK_CALLS_FUZZ=ON
}

# Installs what tests/viewer/package-lock.json names, exactly that, into var/npm. It is for tests alone: nothing of it is served.
install_npm_packages() {
  local folder=$root/var/npm from=$root/tests/viewer
  ! cmp -s -- "$from/package-lock.json" "$folder/installed" || return 0
  command -v npm >/dev/null || die "npm is missing, of Debian's package of that name."
  say "Installing npm packages into var/npm"
  mkdir -p -- "$folder"
  rm -f -- "$folder/installed"
  cp -- "$from/package.json" "$from/package-lock.json" "$folder"
  npm --prefix "$folder" ci --ignore-scripts --no-audit --no-fund --loglevel=error || die "What npm said is above."
  cp -- "$from/package-lock.json" "$folder/installed"
}

packages_of() { sed -n "/^\[$1\]/,/^\[/{/^[a-z0-9]/p}" "$root/scripts/packages"; }

# Whether an installed package stands in for one of that name, as a newer nodejs does for npm.
is_provided() {
  # shellcheck disable=SC2016 # dpkg-query's own variables
  dpkg-query -W -f '${db:Status-Status} ${Provides}\n' | awk -v name="$1" '
    $1 == "installed" { for (i = 2; i <= NF; i++) { sub(",", "", $i); if ($i == name) found = 1 } }
    END { exit !found }'
}

# Installs the Debian packages of the named sections of scripts/packages, where any is missing.
install_packages() {
  local section package missing=() elevate=()
  if ! command -v dpkg-query >/dev/null; then
    say "This is not a Debian system; what scripts/packages names is taken to be installed."
    return
  fi
  for section in "$@"; do
    while read -r package; do
      # shellcheck disable=SC2016 # dpkg-query's own variable
      [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || is_provided "$package" ||
        missing+=("$package")
    done < <(packages_of "$section")
  done
  [[ ${#missing[@]} -gt 0 ]] || return 0
  if [[ $EUID -ne 0 ]]; then
    command -v sudo >/dev/null ||
      die "These Debian packages are missing, and installing them needs root or sudo: ${missing[*]}"
    elevate=(sudo)
  fi
  say "Installing Debian packages: ${missing[*]}"
  "${elevate[@]}" bash -s -- "${missing[@]}" <<'AS_ROOT' || die "The packages could not be installed; what apt-get said is above."
    set -euo pipefail
    export DEBIAN_FRONTEND=noninteractive
    apt='apt-get --quiet=2 -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0'
    # Debian starts a service when its package is installed; nginx would take port 80. Its own way to say no is this file.
    if [[ ! -e /usr/sbin/policy-rc.d ]]; then
      trap 'rm -f /usr/sbin/policy-rc.d' EXIT
      printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
      chmod 755 /usr/sbin/policy-rc.d
    fi
    $apt update
    $apt install --no-install-recommends "$@" </dev/null >/dev/null
    # Nor shall it come up with the next start of the machine: it was installed for its program.
    for service in nginx php8.2-fpm fcgiwrap; do
      [[ " $* " != *" $service "* ]] || update-rc.d "$service" disable
    done
AS_ROOT
}
