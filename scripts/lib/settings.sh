# shellcheck shell=bash
# Where the services live, on which ports, and by what they are run. What `up`
# chose is written to the folder and holds until `down`, so that no later call
# has to repeat it.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
dir=${ORCHESTRATOR_SERVICES_DIR:-.services}
[[ "$dir" == /* ]] || dir=$root/$dir

kafka_port=${ORCHESTRATOR_KAFKA_PORT:-19092}
postgres_port=${ORCHESTRATOR_POSTGRES_PORT:-15432}
# Of a service that comes and goes: not remembered.
registry_port=${ORCHESTRATOR_REGISTRY_PORT:-18081}
# Given only by scripts/torture, at every call: see kafka.sh.
kafka_proxy_port=${ORCHESTRATOR_KAFKA_PROXY_PORT:-}
# docker or native; empty until chosen.
with=${ORCHESTRATOR_SERVICES_WITH:-}

# Takes over what an earlier `up` wrote; a variable that asks for something else
# is an error, for what runs can't be moved.
load_settings() {
  [[ -f "$dir/settings" ]] || return 0
  local key value
  while IFS='=' read -r key value; do
    case $key in
      kafka_port) same_setting ORCHESTRATOR_KAFKA_PORT "$value" && kafka_port=$value ;;
      postgres_port) same_setting ORCHESTRATOR_POSTGRES_PORT "$value" && postgres_port=$value ;;
      with) same_setting ORCHESTRATOR_SERVICES_WITH "$value" && with=$value ;;
      *) die "$dir/settings: unknown line '$key=$value'; remove the folder" ;;
    esac
  done <"$dir/settings"
}

same_setting() {
  local asked=${!1:-}
  [[ -z "$asked" || "$asked" == "$2" || "${command:-}" == down ]] \
    || die "$1 is $asked, but the services in $dir were set up with $2: run \`$me down\` first"
}

save_settings() {
  printf '%s\n' "kafka_port=$kafka_port" "postgres_port=$postgres_port" "with=$with" >"$dir/settings"
}

choose_with() {
  [[ "$kafka_port" =~ ^[0-9]+$ && "$postgres_port" =~ ^[0-9]+$ && "$registry_port" =~ ^[0-9]+$ ]] \
    || die "a port is not a number: Kafka '$kafka_port', Postgres '$postgres_port', registry '$registry_port'"
  case $with in
    docker | native) ;;
    '') if docker_answers; then with=docker; else with=native; fi ;;
    *) die "ORCHESTRATOR_SERVICES_WITH is '$with'; expected docker or native" ;;
  esac
}

# The client alone says nothing: it may be there without an engine.
docker_answers() {
  command -v docker >/dev/null && docker info >/dev/null 2>&1 && docker compose version >/dev/null 2>&1
}

# One call at a time changes a folder. The folder itself is the lock, and `down`
# removes it, so a waiter has to look whether it holds the one that is there.
lock_dir() {
  if [[ -d "$dir" && ! -f "$dir/settings" && -n "$(ls -A "$dir")" ]]; then
    die "$dir is not empty and not a folder of services: choose another ORCHESTRATOR_SERVICES_DIR"
  fi
  command -v flock >/dev/null || { mkdir -p "$dir" && return; }
  while true; do
    mkdir -p "$dir"
    exec 9<"$dir"
    flock -w 300 9 || die "another call holds $dir for 5 minutes already"
    [[ "$dir" -ef /proc/self/fd/9 ]] && return
  done
}
