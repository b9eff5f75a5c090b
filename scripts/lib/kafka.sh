# shellcheck shell=bash
# A Kafka broker without Docker: the jars from Maven Central, one KRaft node that
# is broker and controller, on the loopback interface: plain on its port, for the
# controller on the next, and with TLS and a password on the one after that.

kafka_version=4.1.1
kafka_dir=$dir/kafka
kafka_log=$kafka_dir/broker.log
kafka_jars=${XDG_CACHE_HOME:-${HOME:?}/.cache}/orchestrator/kafka-$kafka_version

kafka_tools() {
  printf '%s\n' java keytool setsid
  [[ -d "$kafka_jars" ]] || echo mvn
}

kafka_pid() { cat "$kafka_dir/pid" 2>/dev/null; }

kafka_running() { process_is "$(kafka_pid)" "$kafka_dir/server.properties"; }

kafka_check() {
  local port
  kafka_running && return
  for port in "$kafka_port" "$((kafka_port + 1))" "$((kafka_port + 2))" ${kafka_proxy_port:+"$((kafka_port + 3))"}; do
    need_port "$port" KAFKA
  done
}

kafka_start() {
  kafka_running && return
  [[ -d "$kafka_jars" ]] || kafka_fetch
  mkdir -p "$kafka_dir"
  kafka_make_certificate
  kafka_write_properties
  kafka_format
  # Where this start's lines begin in the log.
  stat -c %s "$kafka_log" >"$kafka_dir/log-start" 2>/dev/null || echo 0 >"$kafka_dir/log-start"
  rm -f "$kafka_dir/pid"
  # With setsid no terminal's hang-up or Ctrl-C reaches the broker. The lock (9) is
  # held until the pid is written, so that whoever gets the lock finds it.
  # shellcheck disable=SC2016 # expanded by the inner shell
  setsid bash -c 'echo $$ >"$1" && shift && exec "$@" 9>&-' launch "$kafka_dir/pid" \
    java -Xmx1g -XX:+ExitOnOutOfMemoryError "${kafka_java_options[@]}" \
    -cp "$kafka_jars/*" kafka.Kafka "$kafka_dir/server.properties" \
    </dev/null >>"$kafka_log" 2>&1 &
}

# slf4j-simple writes to standard error, which is the log file.
kafka_java_options=(
  -Dorg.slf4j.simpleLogger.showDateTime=true
  "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS"
  -Dorg.slf4j.simpleLogger.showShortLogName=true
)

kafka_ready() {
  grep -q 'Kafka Server started' < <(tail -c "+$(($(cat "$kafka_dir/log-start") + 1))" "$kafka_log") \
    && port_open "$kafka_port"
}

kafka_ready_or_gone() { kafka_ready || ! kafka_launched; }

# Between the fork and the written pid there is nothing to look at yet.
kafka_launched() { [[ ! -s "$kafka_dir/pid" ]] || kafka_running; }

kafka_wait() {
  wait_until 60 kafka_ready_or_gone || die_with_log "$kafka_log" "Kafka is not ready after 60 s"
  kafka_ready || die_with_log "$kafka_log" "Kafka ended while it started"
}

kafka_stop() {
  local pid
  if kafka_running; then
    pid=$(kafka_pid)
    kill -TERM "$pid"
    if ! wait_until 30 kafka_stopped; then
      say "Kafka did not stop within 30 s: killing it"
      kill -KILL "$pid"
      wait_until 10 kafka_stopped || die "Kafka (process $pid) can't be killed"
    fi
  fi
  rm -f "$kafka_dir/pid"
}

kafka_stopped() { ! kafka_running; }

kafka_status() {
  if kafka_running; then
    echo "kafka     running   127.0.0.1:$kafka_port   process $(kafka_pid), log $kafka_log"
  else
    echo "kafka     stopped"
    return 1
  fi
}

kafka_erase() { rm -rf "$kafka_dir"; }

kafka_write_properties() {
  local proxied=${kafka_proxy_port:+,PROXIED://127.0.0.1}
  # Given by scripts/soak alone.
  local check=${ORCHESTRATOR_SERVICES_RETENTION_CHECK_MS:-}
  cat >"$kafka_dir/server.properties" <<EOF2
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$((kafka_port + 1))
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$kafka_port,CONTROLLER://127.0.0.1:$((kafka_port + 1)),SECURE://127.0.0.1:$((kafka_port + 2))${proxied:+$proxied:$((kafka_port + 3))}
advertised.listeners=PLAINTEXT://127.0.0.1:$kafka_port,SECURE://127.0.0.1:$((kafka_port + 2))${proxied:+$proxied:$kafka_proxy_port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL,PROXIED:PLAINTEXT
log.dirs=$kafka_dir/data

# The certificate is made by kafka_make_certificate; a user of SCRAM, by whoever needs one.
listener.name.secure.ssl.keystore.type=PKCS12
listener.name.secure.ssl.keystore.location=$kafka_dir/secure/keystore.p12
listener.name.secure.ssl.keystore.password=orchestrator
listener.name.secure.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
listener.name.secure.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_orchestrator="orchestrator";
listener.name.secure.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;

# One node: nothing can be replicated.
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
# Small internal topics: quick to create and to load.
offsets.topic.num.partitions=8
transaction.state.log.num.partitions=8

# Topics are made on purpose, and groups need not wait for further members.
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
message.max.bytes=10485760
replica.fetch.max.bytes=10485760
${check:+log.retention.check.interval.ms=$check}
EOF2
}

# A key and a certificate that has signed itself, once; clients trust it by ca.pem,
# which comes last.
kafka_make_certificate() {
  local folder=$kafka_dir/secure
  [[ ! -f "$folder/ca.pem" ]] || return 0
  rm -rf "$folder"
  mkdir -p "$folder"
  {
    keytool -genkeypair -alias broker -keyalg EC -groupname secp256r1 -validity 3650 -dname CN=localhost \
      -ext san=dns:localhost,ip:127.0.0.1 \
      -storetype PKCS12 -keystore "$folder/keystore.p12" -storepass orchestrator \
      && keytool -exportcert -rfc -alias broker -keystore "$folder/keystore.p12" -storepass orchestrator \
        -file "$folder/ca.new" \
      && mv "$folder/ca.new" "$folder/ca.pem"
  } </dev/null >>"$kafka_log" 2>&1 || die_with_log "$kafka_log" "keytool could not make a certificate in $folder"
}

# Formats the data folder once. The mark comes last, so that a format cut short
# is done again.
kafka_format() {
  [[ ! -f "$kafka_dir/formatted" ]] || return 0
  rm -rf "$kafka_dir/data"
  java "${kafka_java_options[@]}" -cp "$kafka_jars/*" kafka.tools.StorageTool \
    format -t "$(kafka_cluster_id)" -c "$kafka_dir/server.properties" </dev/null >>"$kafka_log" 2>&1 \
    || die_with_log "$kafka_log" "Kafka could not format $kafka_dir/data"
  touch "$kafka_dir/formatted"
}

# 16 random bytes in URL-safe base64, as Kafka's own random-uuid gives them; one
# that begins with a dash would be taken for an option.
kafka_cluster_id() {
  local id=-
  while [[ "$id" == -* ]]; do
    id=$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=')
  done
  echo "$id"
}

# The broker and its runtime dependencies into the cache, all or nothing.
kafka_fetch() {
  local parent=${kafka_jars%/*}
  mkdir -p "$parent"
  say "fetching Kafka $kafka_version from Maven Central (54 MB, once)"
  (
    temporary=$(mktemp -d "$parent/.fetch.XXXXXX")
    trap 'rm -rf "$temporary"' EXIT
    kafka_write_pom >"$temporary/pom.xml"
    mvn --batch-mode --file "$temporary/pom.xml" \
      org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
      -DincludeScope=runtime "-DoutputDirectory=$temporary/jars" \
      </dev/null >"$temporary/mvn.log" 2>&1 9>&- \
      || die_with_log "$temporary/mvn.log" "Maven could not fetch Kafka $kafka_version"
    # Another checkout may have been faster.
    mv -T "$temporary/jars" "$kafka_jars" 2>/dev/null || [[ -d "$kafka_jars" ]]
  )
}

kafka_write_pom() {
  cat <<EOF2
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>orchestrator</groupId>
  <artifactId>kafka-broker</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>$kafka_version</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-simple</artifactId>
      <version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
EOF2
}
