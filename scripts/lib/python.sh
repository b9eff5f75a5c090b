# shellcheck shell=bash
# Python for tests, with what scripts/requirements.txt names.

venv=.venv-test

# Made anew when the requirements, Python or the place change; the stamp comes last.
make_venv() {
  local stamp
  stamp=$(python3 --version && pwd && cat scripts/requirements.txt)
  if [[ -f "$venv/stamp" && "$(<"$venv/stamp")" == "$stamp" ]]; then
    echo "$venv is up to date"
    return
  fi
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement scripts/requirements.txt
  printf '%s\n' "$stamp" >"$venv/stamp"
}
