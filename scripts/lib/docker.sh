# shellcheck shell=bash
# The same two services by `docker compose`, from docker-compose.yml; the same
# functions as kafka.sh and postgres.sh, which are not read then.

# A project of its own for each folder: tests and a developer's services don't meet.
compose() {
  ORCHESTRATOR_KAFKA_PORT=$kafka_port ORCHESTRATOR_POSTGRES_PORT=$postgres_port \
    docker compose --project-name "orchestrator-$(printf '%s' "$dir" | cksum | cut -d ' ' -f 1)" \
    --file "$root/docker-compose.yml" "$@" </dev/null 9>&-
}

container_running() { [[ -n "$(compose ps --quiet --status running "$1")" ]]; }

container_status() {
  if container_running "$1"; then
    printf '%-8s  running   127.0.0.1:%s   container\n' "$1" "$2"
  else
    printf '%-8s  stopped\n' "$1"
    return 1
  fi
}

container_wait() {
  compose up --detach --wait --wait-timeout 120 "$1" >&2 || {
    compose logs --tail 30 "$1" >&2
    die "the container of $1 is not ready"
  }
}

kafka_check() { container_running kafka || need_port "$kafka_port" KAFKA; }
kafka_start() { compose up --detach kafka >&2; }
kafka_wait() { container_wait kafka; }
kafka_stop() { compose stop kafka >&2; }
kafka_status() { container_status kafka "$kafka_port"; }

postgres_check() { container_running postgres || need_port "$postgres_port" POSTGRES; }
postgres_start() { compose up --detach postgres >&2; }
postgres_wait() { container_wait postgres; }
postgres_stop() { compose stop postgres >&2; }
postgres_status() { container_status postgres "$postgres_port"; }

# Containers and volumes of the project, all at once.
kafka_erase() { compose down --volumes >&2; }
postgres_erase() { :; }
