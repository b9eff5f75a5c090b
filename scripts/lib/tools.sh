# shellcheck shell=bash
# The one table of system tools that the scripts and the build rely on, with the
# Debian package that brings each. `need` stops with one line that says what is
# missing and how to install it.

declare -A tool_package=(
  [java]=default-jre-headless
  [keytool]=default-jre-headless
  [mvn]=maven
  [postgres]=postgresql
  [setpriv]=util-linux
  [setsid]=util-linux
  [flock]=util-linux
  [kcat]=kcat
  [jq]=jq
  [python3-venv]=python3-venv
  [cc]=build-essential
  [make]=build-essential
  [pkg-config]=pkg-config
  [libssl]=libssl-dev
  [zlib]=zlib1g-dev
)

# Everything above in a stable order.
all_tools() { printf '%s\n' "${!tool_package[@]}" | sort; }

has_tool() {
  case $1 in
    java) java_is_new_enough ;;
    postgres) postgres_bindir >/dev/null ;;
    python3-venv) python3 -c 'import ensurepip, venv' 2>/dev/null ;;
    libssl) pkg-config --exists openssl 2>/dev/null ;;
    zlib) pkg-config --exists zlib 2>/dev/null ;;
    *) command -v "$1" >/dev/null ;;
  esac
}

# The broker needs Java 17; `java -version` says `… version "17.0.15" …`.
java_is_new_enough() {
  local version
  version=$(java -version 2>&1) || return 1
  [[ "$version" =~ \"([0-9]+) ]] && ((BASH_REMATCH[1] >= 17))
}

# The folder of Postgres' server programs: Debian keeps them off the PATH.
postgres_bindir() {
  local candidates=() dir
  dir=$(command -v pg_ctl) && candidates+=("$(dirname "$(readlink -f "$dir")")")
  dir=$(pg_config --bindir 2>/dev/null) && candidates+=("$dir")
  while IFS= read -r dir; do
    candidates+=("$dir")
  done < <(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV)
  for dir in "${candidates[@]}"; do
    if [[ -x "$dir/initdb" && -x "$dir/pg_ctl" && -x "$dir/postgres" && -x "$dir/pg_isready" ]]; then
      printf '%s\n' "$dir"
      return
    fi
  done
  return 1
}

# missing_packages TOOL…: the packages of the tools that are not there, each once.
missing_packages() {
  local tool
  for tool in "$@"; do
    has_tool "$tool" || printf '%s\n' "${tool_package[$tool]}"
  done | sort -u
}

need() {
  local tool missing=() packages
  for tool in "$@"; do
    has_tool "$tool" || missing+=("$tool")
  done
  ((${#missing[@]})) || return 0
  mapfile -t packages < <(missing_packages "${missing[@]}")
  die "missing: ${missing[*]}; install with: apt-get install ${packages[*]}"
}
