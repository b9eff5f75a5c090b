# shellcheck shell=bash
# A Postgres server without Docker: the installed programs, a cluster of its own,
# on the loopback interface. The superuser has no password and so can't log in
# over the network; everything is done as the role `orchestrator`.

postgres_dir=$dir/postgres
# The folder of the programs; empty where there are none, which `need` tells.
postgres_bin=$(postgres_bindir) || true

# As root the cluster belongs to another user, for Postgres refuses root.
postgres_user=
if ((EUID == 0)); then
  postgres_user=nobody
  ! id postgres >/dev/null 2>&1 || postgres_user=postgres
fi

# Where the cluster is: in the folder of the services, or, where the other user
# can't get there, in the system's temporary folder (the file `home` says where).
postgres_home() { cat "$postgres_dir/home" 2>/dev/null || echo "$postgres_dir"; }

as_postgres() {
  if [[ -n "$postgres_user" ]]; then
    set -- setpriv "--reuid=$postgres_user" "--regid=$(id -g "$postgres_user")" --clear-groups "$@"
  fi
  # In a folder that this user may enter, and without the lock.
  (cd "$(postgres_home)" && exec "$@" 9>&-)
}

postgres_tools() {
  echo postgres
  [[ -z "$postgres_user" ]] || echo setpriv
}

postgres_pid() { head -n 1 "$(postgres_home)/data/postmaster.pid" 2>/dev/null; }

postgres_running() { process_is "$(postgres_pid)" "$(postgres_home)/data"; }

postgres_check() { postgres_running || need_port "$postgres_port" POSTGRES; }

postgres_start() {
  local home
  postgres_running && return
  postgres_make_home
  home=$(postgres_home)
  [[ -d "$home/data" ]] || postgres_make_cluster "$home"
  # Not ours any more (see process_is), but the server would take it for its own.
  rm -f "$home/data/postmaster.pid"
  as_postgres "$postgres_bin/pg_ctl" start --silent --no-wait \
    --pgdata="$home/data" --log="$home/server.log" --options="-p $postgres_port" </dev/null
}

postgres_ready() {
  "$postgres_bin/pg_isready" --quiet --host=127.0.0.1 --port="$postgres_port" \
    --username=orchestrator --dbname=orchestrator
}

postgres_wait() {
  wait_until 60 postgres_ready \
    || die_with_log "$(postgres_home)/server.log" "Postgres is not ready after 60 s"
}

postgres_stop() {
  local home
  postgres_running || return 0
  home=$(postgres_home)
  as_postgres "$postgres_bin/pg_ctl" stop --silent --wait --timeout=30 --mode=fast --pgdata="$home/data" \
    || as_postgres "$postgres_bin/pg_ctl" stop --silent --wait --timeout=10 --mode=immediate --pgdata="$home/data"
}

postgres_status() {
  if postgres_running; then
    echo "postgres  running   127.0.0.1:$postgres_port   process $(postgres_pid), log $(postgres_home)/server.log"
  else
    echo "postgres  stopped"
    return 1
  fi
}

postgres_erase() {
  rm -rf "$(postgres_home)" "$postgres_dir"
}

postgres_make_home() {
  # A reboot may have emptied the system's temporary folder.
  [[ ! -f "$postgres_dir/home" || ! -d "$(postgres_home)" ]] || return 0
  mkdir -p "$postgres_dir"
  local home=$postgres_dir
  if [[ -n "$postgres_user" ]]; then
    chown "$postgres_user" "$home"
    if ! as_postgres test -w "$home" 2>/dev/null; then
      home=$(mktemp -d "${TMPDIR:-/tmp}/orchestrator-postgres.XXXXXX")
      chown "$postgres_user" "$home"
    fi
  fi
  echo "$home" >"$postgres_dir/home"
}

# Built beside its place and moved there when it is whole.
postgres_make_cluster() {
  local home=$1
  rm -rf "$home/data.new"
  as_postgres "$postgres_bin/initdb" --pgdata="$home/data.new" --username=postgres --auth=trust \
    --encoding=UTF8 --locale=C.UTF-8 --no-sync </dev/null >"$home/initdb.log" 2>&1 \
    || die_with_log "$home/initdb.log" "Postgres could not make its cluster in $home"
  cat >>"$home/data.new/postgresql.conf" <<'CONF'

listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 300
log_line_prefix = '%m [%p] %d '
CONF
  echo 'host all all 127.0.0.1/32 scram-sha-256' >"$home/data.new/pg_hba.conf"
  as_postgres "$postgres_bin/postgres" --single -D "$home/data.new" postgres >>"$home/initdb.log" 2>&1 <<'SQL' \
    || die_with_log "$home/initdb.log" "Postgres could not make the role orchestrator"
CREATE ROLE orchestrator LOGIN CREATEDB PASSWORD 'orchestrator'
CREATE DATABASE orchestrator OWNER orchestrator
SQL
  mv "$home/data.new" "$home/data"
}
