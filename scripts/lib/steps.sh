# shellcheck shell=bash
# The steps of scripts/test: their order, what each does and what it needs.

# The integration tests that are there: tests/NAME.rs or tests/NAME/main.rs.
test_targets() {
  local file name
  for file in tests/*.rs tests/*/main.rs; do
    [[ -f "$file" ]] || continue
    name=${file#tests/}
    name=${name%/main.rs}
    printf '%s\n' "${name%.rs}"
  done | sort
}

# Needs neither a broker nor a database; a test that is not listed gets both.
is_pure_test() {
  case $1 in
    architecture | config | decide | definitions | fuzz | history | simulation | wire) true ;;
    *) false ;;
  esac
}

# All steps in order: what fails fast and needs nothing comes first. A new file in
# tests/ is a step by itself.
all_steps() {
  local target
  printf '%s\n' format clippy shell compose build unit doc
  for target in $(test_targets); do
    ! is_pure_test "$target" || echo "$target"
  done
  printf '%s\n' services python
  for target in $(test_targets); do
    is_pure_test "$target" || echo "$target"
  done
  echo bench
}

needs_services() {
  case $1 in
    format | clippy | shell | compose | build | unit | doc | services | python) false ;;
    *) ! is_pure_test "$1" ;;
  esac
}

needs_compiler() {
  case $1 in
    format | shell | compose | services | python) false ;;
    *) true ;;
  esac
}

# What is missing for any of the steps, told at once and before the first begins.
need_tools_of() {
  local step tools=()
  for step in "$@"; do
    ! needs_compiler "$step" || tools+=(cc make pkg-config libssl zlib)
    ! needs_services "$step" || tools+=(kcat jq)
    [[ "$step" != registry ]] || tools+=(java mvn)
    [[ "$step" != python ]] || tools+=(python3-venv)
  done
  mapfile -t tools < <(printf '%s\n' "${tools[@]}" | awk 'NF && !seen[$0]++')
  need "${tools[@]}"
}

perform() {
  case $1 in
    format)
      cargo fmt --check
      rustfmt --check --edition 2024 fuzz/fuzz_targets/*.rs
      ;;
    clippy) cargo clippy --all-targets -- -D warnings ;;
    shell) check_scripts ;;
    compose) check_compose ;;
    build)
      cargo build --bins --examples
      cargo test --no-run --lib --bins --tests
      ;;
    unit) cargo test --lib --bins ;;
    doc)
      RUSTDOCFLAGS='-D warnings' cargo doc --no-deps
      cargo test --doc
      ;;
    services) scripts/services up ;;
    python)
      make_venv
      "$venv/bin/python" tests/soak/verdict_test.py
      ;;
    tls) test_tls ;;
    registry) test_registry ;;
    simulation) test_simulation ;;
    bench) check_ratios ;;
    *) cargo test --test "$1" ;;
  esac
}

# Five hundred seeds, and faults planted in the engine: the crate is optimised a little for
# them, and has a feature that nothing else is built with (docs/simulation.md).
test_simulation() {
  cargo test --config 'profile.dev.package.orchestrator.opt-level=1' \
    --features planted-bugs --test simulation
}

# Ratios to a bare pipe of the same minute, with generous bounds (docs/performance.md). The build
# is the tests', without optimisation: another one would take longer than the check.
check_ratios() {
  cargo test --bench pipeline -- --check --keep
}

check_scripts() {
  local scripts=(scripts/services scripts/test scripts/torture scripts/soak .ci/run)
  if command -v shellcheck >/dev/null; then
    shellcheck --external-sources --check-sourced "${scripts[@]}"
  else
    echo "shellcheck is not installed: only the syntax is checked"
    local script
    for script in "${scripts[@]}" scripts/lib/*.sh; do bash -n "$script"; done
  fi
}

check_compose() {
  if docker compose version >/dev/null 2>&1; then
    docker compose config --quiet
  elif command -v docker-compose >/dev/null; then
    docker-compose config --quiet
  else
    echo "no docker compose here: docker-compose.yml is not checked"
  fi
}

# The containers have no listener with TLS; without them services always makes one.
test_tls() {
  if [[ -f "$ORCHESTRATOR_TEST_KAFKA_CA" ]]; then
    # They wait more than they work.
    cargo test --test tls -- --test-threads=4
  else
    echo "Kafka runs in a container, without TLS: not checked (ORCHESTRATOR_SERVICES_WITH=native has it)"
  fi
}

# A real schema registry, for as long as its tests run. scripts/services down ends it, too.
test_registry() {
  scripts/services start-registry
  cargo test --test registry
  scripts/services stop-registry
}

# The services' folder goes; what they said about a failure stays.
keep_service_logs() {
  local logs=target/test-services-logs file
  for file in "$ORCHESTRATOR_SERVICES_DIR"/{kafka/broker.log,postgres/server.log,registry/registry.log}; do
    [[ -f "$file" ]] || continue
    mkdir -p "$logs"
    cp "$file" "$logs/"
    say "kept $logs/${file##*/}"
  done
}
