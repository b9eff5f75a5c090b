# shellcheck shell=bash
# A schema registry for tests: Apicurio Registry from Maven Central, which speaks
# Confluent's protocol at /apis/ccompat/v7. One Java process on the loopback
# interface that keeps everything in memory. Started only when it is asked for.

registry_version=2.6.13.Final
registry_dir=$dir/registry
registry_log=$registry_dir/registry.log
registry_jars=${XDG_CACHE_HOME:-${HOME:?}/.cache}/orchestrator/registry-$registry_version

registry_tools() {
  printf '%s\n' java setsid
  [[ -d "$registry_jars" ]] || echo mvn
}

registry_pid() { cat "$registry_dir/pid" 2>/dev/null; }

registry_running() { process_is "$(registry_pid)" "quarkus.http.port=$registry_port"; }

registry_check() { registry_running || need_port "$registry_port" REGISTRY; }

registry_start() {
  registry_running && return
  [[ -d "$registry_jars" ]] || registry_fetch
  mkdir -p "$registry_dir"
  rm -f "$registry_dir/pid"
  # As the broker is started: no terminal's hang-up reaches it.
  # shellcheck disable=SC2016 # expanded by the inner shell
  setsid bash -c 'echo $$ >"$1" && shift && exec "$@" 9>&-' launch "$registry_dir/pid" \
    java -Xmx256m -Dquarkus.http.host=127.0.0.1 "-Dquarkus.http.port=$registry_port" \
    -jar "$registry_jars/apicurio-registry-app-$registry_version-runner.jar" \
    </dev/null >"$registry_log" 2>&1 &
}

registry_answers() { grep -q 'Listening on: ' "$registry_log" 2>/dev/null && port_open "$registry_port"; }

registry_ready_or_gone() { registry_answers || { [[ -s "$registry_dir/pid" ]] && ! registry_running; }; }

registry_wait() {
  wait_until 60 registry_ready_or_gone || die_with_log "$registry_log" "the schema registry is not ready after 60 s"
  registry_answers || die_with_log "$registry_log" "the schema registry ended while it started"
}

registry_stop() {
  local pid
  if registry_running; then
    pid=$(registry_pid)
    kill -TERM "$pid"
    wait_until 20 registry_stopped || kill -KILL "$pid"
  fi
  rm -f "$registry_dir/pid"
}

registry_stopped() { ! registry_running; }

registry_erase() { rm -rf "$registry_dir"; }

# The program and its libraries into the cache, all or nothing.
registry_fetch() {
  local parent=${registry_jars%/*} artifact=apicurio-registry-app
  mkdir -p "$parent"
  say "fetching $artifact $registry_version from Maven Central (142 MB, once)"
  (
    temporary=$(mktemp -d "$parent/.fetch.XXXXXX")
    trap 'rm -rf "$temporary"' EXIT
    mvn --batch-mode org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
      "-Dartifact=io.apicurio:$artifact:$registry_version:tar.gz:all" "-DoutputDirectory=$temporary" \
      </dev/null >"$temporary/mvn.log" 2>&1 9>&- \
      || die_with_log "$temporary/mvn.log" "Maven could not fetch $artifact $registry_version"
    mkdir "$temporary/jars"
    tar -xzf "$temporary"/*.tar.gz -C "$temporary/jars"
    # Another checkout may have been faster.
    mv -T "$temporary/jars" "$registry_jars" 2>/dev/null || [[ -d "$registry_jars" ]]
  )
}
