# shellcheck shell=bash
# What every script here needs: saying, failing, waiting, ports and processes.
# The sourcing script sets `me` (its name in messages).

say() { printf '%s\n' "$*" >&2; }

die() {
  printf '%s: %s\n' "${me:?}" "$*" >&2
  exit 1
}

# wait_until SECONDS COMMAND…: true as soon as the command is, false after the limit.
wait_until() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < deadline)) || return 1
    sleep 0.1
  done
}

# Does anything listen on this port of the loopback interface?
port_open() {
  (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# need_port PORT NAME: stops where somebody else listens on a port of ours, told by
# the variable ORCHESTRATOR_NAME_PORT.
need_port() {
  ! port_open "$1" || die "port $1 is taken by another process: choose another by ORCHESTRATOR_${2}_PORT" \
    "(for scripts/test ORCHESTRATOR_TEST_${2}_PORT)"
}

# process_is PID WORD: is the process alive and is WORD on its command line?
# A pid file outlives a crash or a reboot, and its number may be another's by then.
process_is() {
  [[ "$1" =~ ^[0-9]+$ && -r "/proc/$1/cmdline" ]] || return 1
  [[ "$(tr '\0' ' ' <"/proc/$1/cmdline" 2>/dev/null)" == *"$2"* ]]
}

# Fails with the end of a log file, so that the cause is on the screen.
die_with_log() {
  local log=$1
  shift
  if [[ -s "$log" ]]; then
    say "--- the end of $log"
    tail -n 30 "$log" >&2
    say "---"
  fi
  die "$*"
}
