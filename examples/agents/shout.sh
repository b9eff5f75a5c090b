#!/bin/sh
# An agent in shell: the node's input comes as JSON on stdin, its output goes as JSON to stdout.
#
#   orchestrator worker --agent shout --exec ./examples/agents/shout.sh
#
# The input is a JSON string, the output is the same in capitals: "two cups" becomes "TWO CUPS".
input=$(cat)
case $input in
*\\*)
    # What goes to stderr is logged, and its end stands in the failure of an exit code other than 0.
    echo "attempt $ORCHESTRATOR_ATTEMPT of $ORCHESTRATOR_NODE_ID: escapes are beyond this agent" >&2
    exit 2
    ;;
\"*\") printf '%s\n' "$input" | tr '[:lower:]' '[:upper:]' ;;
*)
    printf 'expected a JSON string, found %s\n' "$input" >&2
    exit 3
    ;;
esac
